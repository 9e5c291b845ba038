package config

import (
	"errors"
	"maps"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/rego"
)

// Policies are those of the users' own, as far as they are in force.
type Policies struct {
	// Catalog is the library with every Policy that is in force.
	Catalog *rego.Catalog
	// Errors say by name what is wrong with a spec.
	Errors map[string]field.ErrorList
	// LastGood has the names of those whose spec is wrong and whose last good one, from
	// their status, is in force.
	LastGood map[string]bool
	// FailOpen has the names of those that admit what they cannot decide.
	FailOpen map[string]bool
}

// ResolvePolicies adds Policies to the library's. It depends on the stored objects alone:
// not on what was in force before.
func ResolvePolicies(policies []v1alpha1.Policy, library *rego.Catalog) Policies {
	p := Policies{Catalog: library, Errors: map[string]field.ErrorList{}, LastGood: map[string]bool{}, FailOpen: map[string]bool{}}
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
		// It was good for another version of the library.
		delete(p.LastGood, name)
		delete(specs, name)
	}
	for name, spec := range specs {
		p.FailOpen[name] = spec.FailurePolicy == v1alpha1.PolicyFailureIgnore
	}
	return p
}

// CheckPolicy is about all of a Policy but the module itself.
func CheckPolicy(p *v1alpha1.Policy) field.ErrorList {
	errs := checkName(p.Name, KindPolicy)
	at := field.NewPath("spec", "rego")
	errs = append(errs, required(p.Spec.Rego, at, "a Policy is a Rego module")...)
	return append(errs, checkFailurePolicy(p.Spec.FailurePolicy, field.NewPath("spec", "failurePolicy"))...)
}

func checkFailurePolicy(failure v1alpha1.PolicyFailure, at *field.Path) field.ErrorList {
	switch failure {
	case "", v1alpha1.PolicyFailureIgnore, v1alpha1.PolicyFailureFail:
		return nil
	}
	return field.ErrorList{field.NotSupported(at, failure, []v1alpha1.PolicyFailure{v1alpha1.PolicyFailureIgnore, v1alpha1.PolicyFailureFail})}
}

// moduleErrors keeps each fault of a module as an error of its own.
func moduleErrors(err error) (errs field.ErrorList) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, one := range joined.Unwrap() {
			errs = append(errs, moduleErrors(one)...)
		}
		return errs
	}
	return field.ErrorList{field.Invalid(field.NewPath("spec", "rego"), field.OmitValueType{}, err.Error())}
}

func regoOf(specs map[string]v1alpha1.PolicySpec) map[string]string {
	all := make(map[string]string, len(specs))
	for name := range maps.Keys(specs) {
		all[name] = specs[name].Rego
	}
	return all
}
