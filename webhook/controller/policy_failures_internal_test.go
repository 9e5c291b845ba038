package controller

import (
	"errors"
	"testing"

	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/compile"
)

// Whoever reads the status of a Policy that exhausts its budget learns the numbers, and what can be changed.
func TestAnExhaustedBudgetIsReportedWithNumbers(t *testing.T) {
	for want, err := range map[string]error{
		"policy p: used more than 1,000 steps; taffrail test shows what the cases of the Policy use, and spec.budget.steps can be up to 5,000,000":    &compile.BudgetError{Resource: compile.Steps, Used: 1001, Limit: 1000},
		"policy p: used more than 65,536 bytes; taffrail test shows what the cases of the Policy use, and spec.budget.bytes can be up to 134,217,728": &compile.BudgetError{Resource: compile.Bytes, Used: 70_000, Limit: 65_536},
		"policy p: broken": errors.New("broken"),
	} {
		if got := failureMessage(&rego.EvaluationError{Policy: "p", Err: err}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
