// Package admission answers AdmissionReviews over HTTP: at /mutate and /validate by the
// policies in force, at /relax whether the labels of a Namespace may change, at /exempt
// whether a user may write an Exemption, and at /config whether an object of Taffrail's own
// configuration would work.
//
// It is a handler of our own: controller-runtime's admission.Webhook answers its own
// errors with 200 and a refusal, which overrides the failurePolicy. Here only a decision
// is answered with 200. Whatever keeps Taffrail from deciding is an HTTP error, and the
// failurePolicy alone says what becomes of the request:
//
//	400, 405, 413, 415  no AdmissionReview, or one that cannot be answered by uid
//	408                 the body did not arrive in time
//	429 + Retry-After   more than MaxInFlight requests, or more than MaxInFlightBytes
//	                    in their bodies, or a body that arrived more slowly than others
//	                    when room was short: the API server tries again
//	503 + Retry-After   nothing compiled yet, or stopping: the API server tries again
//	500                 a defect; what a policy cannot decide is a decision
//	504                 the deadline passed; without Retry-After, as no time is left
//
// An object too large, deep or wide to be looked at is a decision, not an error: under
// failurePolicy Ignore an error would be a way around every policy. At /config and /exempt
// it is an error: /config is registered with Ignore, and its objects are checked again when
// they are compiled; /exempt is registered with Fail under maxMode enforce.
package admission
