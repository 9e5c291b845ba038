package rego

import (
	"fmt"

	"taffrail.dev/webhook/rego/compile"
)

// Budget limits each evaluation of a user's Policy: of its deny rules, and of its inject rules. It is the same for both
// engines, which count differently: see sandbox.StepsPerExpression.
type Budget = compile.Budget

// DefaultBudget is the budget of Policies that name none.
var DefaultBudget = compile.DefaultBudget

// Usage is what the evaluations of a Policy have used.
type Usage = compile.Usage

// UsageText returns what an evaluation has used of its budget, for people. Topdown counts no bytes.
func UsageText(used Usage, budget Budget) string {
	text := fmt.Sprintf("used %s of %s steps", compile.Thousands(used.Steps), compile.Thousands(budget.Steps))
	if used.Bytes == 0 {
		return text
	}
	return text + fmt.Sprintf(" and %s of %s bytes", compile.Thousands(used.Bytes), compile.Thousands(budget.Bytes))
}
