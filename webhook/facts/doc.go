// Package facts answers what a decision needs to know about namespaces: their
// labels, LimitRanges and ResourceQuotas.
//
// # How stale an answer may be
//
// Answers come from informers, which trail the API server by the time that a watch
// event takes: milliseconds as a rule, and as long as the connection is broken where
// it is. An answer is never made up: a namespace that the informers do not know is
// read live, once, and a failed read is an error, not a namespace without labels.
// Where the namespace is new (unknown to the informers, or younger than
// Options.Young), its LimitRanges and ResourceQuotas are listed live too, so that a
// Namespace, its LimitRange and a Deployment may come in one apply. A LimitRange that
// is changed in an older namespace is seen once its event arrives; the API server's
// own LimitRanger works from an informer in the same way.
//
// Live reads what an object may be made from, and Rights asks what a user may do: both
// always from the API server.
//
// Live reads carry the caller's context and thus end with the deadline of the request.
package facts
