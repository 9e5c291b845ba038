// Package facts reads the cluster state that a decision depends on: the labels, LimitRanges and
// ResourceQuotas of namespaces, the revisions and owners of workloads, and the permissions of
// users.
//
// # Staleness
//
// Facts reads from informers, which trail the API server by the delay of a watch event: usually
// milliseconds, and as long as an interruption if the watch is interrupted. It never guesses. A
// namespace that the informers do not know is read from the API server once, and a failed read is
// an error, not a namespace without labels. For a new namespace (unknown to the informers, or
// younger than newNamespaceAge) LimitRanges and ResourceQuotas are listed from the API
// server as well, so that a Namespace, its LimitRange and a Deployment can be applied together. A
// change to a LimitRange in an older namespace takes effect when its event arrives; the
// LimitRanger of the API server reads from an informer in the same way.
//
// Live and Rights always ask the API server.
//
// Reads from the API server use the caller's context, so they end with the deadline of the
// request. Only the reads that callers of Fresh share have a timeout of their own.
package facts
