// Package decision holds the plain data at the center of Taffrail: a normalized Request, the
// violations that policies find in it, and the Decision about it. It also writes a Decision's
// messages, so that they read the same everywhere.
//
// Admission, the command line and the audit share everything from a Request on, so that they
// cannot disagree. The package imports nothing else of Taffrail, neither OPA nor a Kubernetes
// client.
package decision
