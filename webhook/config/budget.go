package config

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/rego"
)

// BudgetOf returns the budget of a Policy, with the defaults of what its spec leaves out.
func BudgetOf(spec *v1alpha1.PolicySpec) rego.Budget {
	return rego.Budget{
		Steps: cmp.Or(spec.Budget.Steps, rego.DefaultBudget.Steps),
		Bytes: cmp.Or(spec.Budget.Bytes, rego.DefaultBudget.Bytes),
	}
}

// checkBudget repeats what the schema of the CRD checks, for files. Zero selects the default.
func checkBudget(budget *v1alpha1.PolicyBudget, at *field.Path) (errs field.ErrorList) {
	for _, limit := range []struct {
		name            string
		value           int64
		lowest, highest int64
	}{
		{"steps", budget.Steps, v1alpha1.MinBudgetSteps, v1alpha1.MaxBudgetSteps},
		{"bytes", budget.Bytes, v1alpha1.MinBudgetBytes, v1alpha1.MaxBudgetBytes},
	} {
		if limit.value != 0 && (limit.value < limit.lowest || limit.value > limit.highest) {
			errs = append(errs, field.Invalid(at.Child(limit.name), limit.value, fmt.Sprintf("must be between %d and %d", limit.lowest, limit.highest)))
		}
	}
	return errs
}
