package rego

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/topdown"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// Part selects which rules of the policies to evaluate.
type Part int

const (
	// Both selects deny and inject.
	Both Part = iota
	// Deny selects violations only.
	Deny
	// Inject selects intents only.
	Inject
)

// withoutValues drops the message of OPA's errors, which may quote values of a Secret.
func withoutValues(err error) error {
	if limit := new(sandbox.LimitError); errors.As(err, &limit) {
		return limit
	}
	if budget := new(compile.BudgetError); errors.As(err, &budget) {
		return budget
	}
	if compiled := new(compile.Error); errors.As(err, &compiled) {
		return &RuleError{Code: compiled.Code, File: compiled.File, Row: compiled.Row}
	}
	var failure *topdown.Error
	if !errors.As(err, &failure) {
		return err
	}
	fault := &RuleError{Code: failure.Code}
	if failure.Location != nil {
		fault.File, fault.Row = failure.Location.File, failure.Location.Row
	}
	return fault
}

// RuleError is returned when a rule cannot be evaluated. It omits OPA's message, which may quote the object.
type RuleError struct {
	// Code is OPA's error code, such as eval_conflict_error.
	Code string
	// File is empty if the location is unknown.
	File string
	Row  int
}

func (e *RuleError) Error() string {
	if e.File == "" {
		return e.Code
	}
	return fmt.Sprintf("%s at %s:%d", e.Code, e.File, e.Row)
}

// EvaluationError is returned when one policy could not be evaluated.
type EvaluationError struct {
	Policy string
	Err    error
}

func (e *EvaluationError) Error() string { return fmt.Sprintf("policy %s: %v", e.Policy, e.Err) }

// Unwrap returns the cause.
func (e *EvaluationError) Unwrap() error { return e.Err }

// OutOfTime reports whether a policy failed because the request ended while it was evaluated.
func OutOfTime(err error) bool { return errors.Is(err, sandbox.ErrNoTime) }

// FailureReason returns why a policy could not decide an object, for the author of the object. The text
// continues a sentence that begins with "it", and contains nothing that a rule produced.
func FailureReason(err error) string {
	var limit *sandbox.LimitError
	var rule *RuleError
	var budget *compile.BudgetError
	switch {
	case errors.As(err, &budget):
		return budget.Error()
	case OutOfTime(err):
		return sandbox.ErrNoTime.Error()
	case errors.As(err, &limit):
		return "produces more than a policy may: " + limit.Error()
	case errors.Is(err, sandbox.ErrTooLarge):
		return "produces more than a policy may"
	case errors.As(err, &rule):
		return "fails with " + rule.Error()
	}
	return "fails, see Taffrail's log"
}

var errNoResult = errors.New("the evaluation returned no result")

func (p *Program) about(instance int, kind schema.GroupKind) bool {
	return slices.Contains(p.instances[instance].policy.Kinds, kind)
}

// Evaluate returns one result per instance, in order. If a policy fails, its own result carries an *EvaluationError
// and the other results are unaffected. Evaluate returns an error only if ctx ended before all policies were
// evaluated.
//
// Each user's Policy is evaluated within a budget: see Instance.
func (p *Program) Evaluate(ctx context.Context, r *decision.Request, instances []int, part Part) ([]decision.Result, error) {
	results := make([]decision.Result, len(instances))
	rest, err := p.evaluateCompiled(ctx, r, instances, part, results)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		if err := p.evaluateTopdown(ctx, r, instances, rest, part, results); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("evaluating policies: %w", context.Cause(ctx))
	}
	return results, nil
}
