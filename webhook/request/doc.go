// Package request turns an AdmissionReview, a manifest or a live object into a
// decision.Request: the object's bytes are parsed once, hostile depth and size are
// refused before anything looks at the object, the API server's defaults are there
// for every field that a policy reads, and the Pod of a workload is found.
package request
