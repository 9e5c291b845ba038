// Package replay decides the writes in an audit log of the API server as the webhook would have decided them: with the
// stored objects and the facts of that moment, as far as they are in the log. What is not in the log is unknown, never
// assumed.
package replay
