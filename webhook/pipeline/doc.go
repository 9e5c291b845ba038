// Package pipeline decides requests. A Decider takes a Request to its Decision in one
// direction: bindings, facts, prediction, evaluation, injection, comparison with the old
// object, exemptions and modes. Admission, the command line and the audit share it.
//
// decider.go holds that sequence; each step has its files: scope.go (which part of an object is
// decided) and bindings.go; enrich.go and predict.go (facts and prediction); evaluate.go;
// planner.go, template_age.go, fills.go, injection_plan.go and patch.go (injection); old_object.go
// (the stored object); rollback.go, cronjob_copy.go and revisions.go (rollbacks and copies);
// evidence.go, finding.go and join.go (the Decision); fresh.go (confirmation); read_timeout.go
// (what of a request's time a read may take); ambiguous.go, oversized.go, subresource.go and
// pod_binding.go. explain.go explains what would be decided, and relax.go decides changes of the
// labels of namespaces.
package pipeline
