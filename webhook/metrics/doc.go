// Package metrics holds every metric that Taffrail serves, with its labels and what limits them.
//
// Each type is one subject and is made with the registry that serves it; registering the same
// subject twice panics, because that is a mistake in the program. Every label takes its values
// from a closed set: paths, operations, verdicts, modes, outcomes and reasons are constants,
// policies those of the catalog, and Guardrails and Exemptions those that exist. The namespace
// of taffrail_would_deny_requests_total is the only one that users choose, and it has a limit
// of its own.
package metrics
