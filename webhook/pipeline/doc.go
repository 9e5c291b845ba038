// Package pipeline decides requests. A Decider takes a Request to its Decision in one
// direction: bindings, facts, prediction, evaluation, injection, comparison with the old
// object, exemptions and modes. Admission, the command line and the audit share it.
//
// decider.go holds that sequence; each step has its files: scope.go (which part of an object is
// decided) and bindings.go; enrich.go (facts and prediction); evaluate.go; planner.go,
// templateage.go, fills.go, injectionplan.go and patch.go (injection); oldobject.go (the stored
// object); restored.go, jobs.go and revisions.go (rollbacks and copies); findings.go and join.go
// (the Decision); fresh.go (confirmation); ambiguous.go and metadata.go. explain.go explains what
// would be decided, and relax.go decides changes of the labels of namespaces. A Checker (check.go,
// exempt.go, overlap.go, conflicts.go, trial.go) checks Taffrail's own configuration.
package pipeline
