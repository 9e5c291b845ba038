package config

import (
	"maps"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/rego"
)

// Policies has the users' Policies that are in force.
type Policies struct {
	// Catalog is the library together with the Policies in force.
	Catalog *rego.Catalog
	// Errors has the errors of each invalid spec, by name.
	Errors map[string]field.ErrorList
	// LastGood has the names of Policies with an invalid spec whose last good spec, from their
	// status, is in force.
	LastGood map[string]bool
	// FailOpen has the names of Policies that admit objects on which they fail.
	FailOpen map[string]bool
	// Budgets has the budgets of Policies, by name.
	Budgets map[string]rego.Budget
}

// ResolvePolicies adds Policies to the library. The result depends only on the stored objects,
// not on what was in force before.
func ResolvePolicies(policies []v1alpha1.Policy, library *rego.Catalog) Policies {
	p := Policies{Catalog: library, Errors: map[string]field.ErrorList{}, LastGood: map[string]bool{}, FailOpen: map[string]bool{}, Budgets: map[string]rego.Budget{}}
	specs := make(map[string]v1alpha1.PolicySpec, len(policies))
	for i := range policies {
		policy := &policies[i]
		if errs := CheckPolicy(policy); len(errs) > 0 {
			p.Errors[policy.Name] = errs
			continue
		}
		specs[policy.Name] = policy.Spec
	}
	_, bad := library.With(regoOf(specs))
	for name, err := range bad {
		p.Errors[name] = moduleErrors(err)
		delete(specs, name)
	}
	for i := range policies {
		policy := &policies[i]
		if good := policy.Status.LastGood; good != nil && len(p.Errors[policy.Name]) > 0 {
			specs[policy.Name] = good.Spec
			p.LastGood[policy.Name] = true
		}
	}
	if len(specs) == 0 {
		return p
	}
	p.Catalog, bad = library.With(regoOf(specs))
	for name := range bad {
		// It was valid with another version of the library.
		delete(p.LastGood, name)
		delete(specs, name)
	}
	for name, spec := range specs {
		p.FailOpen[name] = spec.FailurePolicy == v1alpha1.PolicyFailureIgnore
		p.Budgets[name] = BudgetOf(&spec)
	}
	return p
}

// CheckPolicy checks everything in a Policy except the module.
func CheckPolicy(p *v1alpha1.Policy) field.ErrorList {
	errs := checkName(p.Name, KindPolicy)
	at := field.NewPath("spec", "rego")
	errs = append(errs, required(p.Spec.Rego, at, "a Policy is a Rego module")...)
	errs = append(errs, checkFailurePolicy(p.Spec.FailurePolicy, field.NewPath("spec", "failurePolicy"))...)
	return append(errs, checkBudget(&p.Spec.Budget, field.NewPath("spec", "budget"))...)
}

func checkFailurePolicy(failure v1alpha1.PolicyFailure, at *field.Path) field.ErrorList {
	switch failure {
	case "", v1alpha1.PolicyFailureIgnore, v1alpha1.PolicyFailureFail:
		return nil
	}
	return field.ErrorList{field.NotSupported(at, failure, []v1alpha1.PolicyFailure{v1alpha1.PolicyFailureIgnore, v1alpha1.PolicyFailureFail})}
}

// moduleErrors returns each error of a module separately.
func moduleErrors(err error) (errs field.ErrorList) {
	for _, one := range rego.Errors(err) {
		errs = append(errs, field.Invalid(field.NewPath("spec", "rego"), field.OmitValueType{}, one.Error()))
	}
	return errs
}

func regoOf(specs map[string]v1alpha1.PolicySpec) map[string]string {
	all := make(map[string]string, len(specs))
	for name := range maps.Keys(specs) {
		all[name] = specs[name].Rego
	}
	return all
}
