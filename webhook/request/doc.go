// Package request turns an AdmissionReview, a manifest, a live object or a recorded write into a
// decision.Request. It parses the object once, rejects excessive depth and size before anything
// else reads the object, sets the API server's defaults for every field that a policy reads,
// and extracts the Pod of a workload.
package request
