package rego

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/topdown"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
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

// failedOrEnded returns the result of a policy whose evaluation has failed with err. ended is not nil if the request has
// ended instead, while the evaluation was cheap. If it was expensive, it is the policy that has failed, or authors could
// evade it by writing objects that use up the time of a request.
func failedOrEnded(ctx context.Context, policy *Policy, err error, cheap bool) (result decision.Result, ended error) {
	if ctx.Err() != nil && !errors.Is(err, compile.ErrBudget) {
		if cheap {
			return decision.Result{}, fmt.Errorf("evaluating policies: %w", context.Cause(ctx))
		}
		err = sandbox.ErrNoTime
	}
	return failed(policy, err), nil
}

func failed(policy *Policy, err error) decision.Result {
	return decision.Result{Err: &EvaluationError{Policy: policy.ID, Err: withoutValues(err)}}
}
