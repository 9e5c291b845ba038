// Package admission answers AdmissionReviews over HTTP: /mutate and /validate apply the policies in force, /relax
// decides whether the labels of a Namespace may change, /exempt whether a user may write an Exemption, and /config
// checks objects of Taffrail's own configuration.
//
// It does not use controller-runtime's admission.Webhook, which answers its own errors with 200 and a refusal and
// thereby overrides the failurePolicy. Here only a decision is answered with 200. If Taffrail cannot decide, the answer
// is an HTTP error, and the failurePolicy alone determines whether the request is admitted:
//
//	400, 405, 413, 415  no AdmissionReview, or one whose uid is unknown
//	408                 the body did not arrive in time
//	429 + Retry-After   more than MaxInFlight requests (in_flight.go), or more than MaxInFlightBytes in their
//	                    bodies, or a body that arrived more slowly than others while memory was short
//	                    (bodies.go): the API server retries
//	503 + Retry-After   nothing compiled yet, or stopping: the API server retries
//	500                 a defect in Taffrail; a policy that fails still leads to a decision
//	504                 the deadline passed; no Retry-After, because no time is left
//
// An object that is too large, deep or wide to be inspected leads to a decision and not to an error: under failurePolicy
// Ignore an error would bypass every policy. At /config and /exempt it leads to an error: /config is registered with
// Ignore, and its objects are checked again when they are compiled; /exempt is registered with Fail under maxMode
// enforce.
package admission
