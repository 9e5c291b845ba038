// Package live reads from a cluster what decisions depend on, for commands that run next to it:
// the configuration, the facts about namespaces, and the objects that a person names. The same can
// be written to a file, an export, for places that have no access to the cluster.
//
// A user with few permissions gets an answer as far as they go: what must not be read is an
// *UnreadError, and the rest is returned. Secrets are never read.
package live
