package config_test

import (
	"testing"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
)

func TestBudgetsHaveADefaultAndLimits(t *testing.T) {
	for name, c := range map[string]struct {
		given v1alpha1.PolicyBudget
		want  rego.Budget
		field string // of the error
	}{
		"none":           {v1alpha1.PolicyBudget{}, rego.DefaultBudget, ""},
		"steps alone":    {v1alpha1.PolicyBudget{Steps: 1_000}, rego.Budget{Steps: 1_000, Bytes: rego.DefaultBudget.Bytes}, ""},
		"bytes alone":    {v1alpha1.PolicyBudget{Bytes: 64 << 10}, rego.Budget{Steps: rego.DefaultBudget.Steps, Bytes: 64 << 10}, ""},
		"the most":       {v1alpha1.PolicyBudget{Steps: 5_000_000, Bytes: 128 << 20}, rego.Budget{Steps: 5_000_000, Bytes: 128 << 20}, ""},
		"few steps":      {v1alpha1.PolicyBudget{Steps: 999}, rego.Budget{}, "spec.budget.steps"},
		"many steps":     {v1alpha1.PolicyBudget{Steps: 5_000_001}, rego.Budget{}, "spec.budget.steps"},
		"negative steps": {v1alpha1.PolicyBudget{Steps: -1}, rego.Budget{}, "spec.budget.steps"},
		"few bytes":      {v1alpha1.PolicyBudget{Bytes: 64<<10 - 1}, rego.Budget{}, "spec.budget.bytes"},
		"many bytes":     {v1alpha1.PolicyBudget{Bytes: 128<<20 + 1}, rego.Budget{}, "spec.budget.bytes"},
	} {
		p := &v1alpha1.Policy{Spec: v1alpha1.PolicySpec{Rego: "package taffrail.user.p", Budget: c.given}}
		p.Name = "p"
		errs := config.CheckPolicy(p)
		if c.field == "" {
			if got := config.BudgetOf(&p.Spec); len(errs) > 0 || got != c.want {
				t.Errorf("%s: got %+v, %v", name, got, errs)
			}
			continue
		}
		if len(errs) != 1 || errs[0].Field != c.field {
			t.Errorf("%s: got %v", name, errs)
		}
	}
}
