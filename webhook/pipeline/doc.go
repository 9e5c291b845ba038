// Package pipeline decides requests. A Decider takes a Request to its Decision in one
// direction: bindings, facts, prediction, evaluation, injection, comparison with the old
// object, exemptions and modes. Admission, the command line and the audit share it.
//
// decider.go holds that sequence; each step has a file: bindings.go, enrich.go (prediction),
// evaluate.go, fills.go and injectionplan.go (injection), oldobject.go, restored.go and
// findings.go. A Checker checks Taffrail's own configuration.
package pipeline
