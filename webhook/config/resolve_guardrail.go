package config

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// Resolved is the valid part of a Guardrail.
type Resolved struct {
	// Usable is false if the selector or the mode is invalid; then there are no bindings.
	Usable bool
	// Bindings has the valid bindings, in the Guardrail's order.
	Bindings []ResolvedBinding
}

// ResolvedBinding is a Guardrail's binding of a policy in the catalog.
type ResolvedBinding struct {
	Policy *rego.Policy
	// Parameters are validated and include defaults.
	Parameters map[string]any
	// Mode is the binding's own mode, or else the Guardrail's.
	Mode decision.Mode
	// FailurePolicy is empty if the binding does not set one.
	FailurePolicy v1alpha1.PolicyFailure
	// ModePinned is true if the binding sets its own mode, below enforce.
	ModePinned bool
	// Key is equal for equal parameters of a policy, whether a default is written or omitted.
	Key string
}

// Resolve validates a Guardrail against the catalog of policies. It repeats checks of the CRD
// schema, because files are not checked against a schema and a cluster may have another version
// of it. An invalid binding is left out and the others stay in force: a typing error in one
// must not switch off a whole Guardrail.
func Resolve(g *v1alpha1.Guardrail, catalog *rego.Catalog) (Resolved, field.ErrorList) {
	spec := field.NewPath("spec")
	errs := checkCoverage(g, spec)
	usable := len(errs) == 0
	errs = append(errs, checkExclusions(g, spec)...)
	bindings, bad := resolveBindings(g, catalog, spec.Child("policies"))
	errs = append(errs, bad...)
	if !usable {
		return Resolved{}, errs
	}
	return Resolved{Usable: true, Bindings: bindings}, errs
}

func resolveBindings(g *v1alpha1.Guardrail, catalog *rego.Catalog, at *field.Path) (bindings []ResolvedBinding, errs field.ErrorList) {
	if len(g.Spec.Policies) == 0 {
		return nil, field.ErrorList{field.Required(at, "a Guardrail needs at least one policy")}
	}
	if n := len(g.Spec.Policies); n > maxPolicies {
		errs = append(errs, tooManyItems(at, n, maxPolicies, "bind some in another Guardrail"))
	}
	bound := make(map[string]int, len(g.Spec.Policies))
	used := map[string]*ParameterUsage{}
	for i := range g.Spec.Policies {
		binding, bad := resolve(&g.Spec.Policies[i], g.Spec.Mode, catalog, at.Index(i))
		if len(bad) > 0 {
			errs = append(errs, bad...)
			continue
		}
		if first, found := bound[binding.Key]; found {
			duplicate := field.Duplicate(at.Index(i), binding.Policy.ID)
			duplicate.Detail = at.Index(first).String() + " binds it with the same parameters"
			errs = append(errs, duplicate)
			continue
		}
		if used[binding.Policy.ID] == nil {
			used[binding.Policy.ID] = &ParameterUsage{}
		}
		used[binding.Policy.ID].Add(len(binding.Key))
		if bad := used[binding.Policy.ID].check(at.Index(i).Child("parameters")); len(bad) > 0 {
			errs = append(errs, bad...)
			continue
		}
		bound[binding.Key] = i
		bindings = append(bindings, binding)
	}
	return bindings, errs
}

// resolve validates one binding. A binding without a mode gets the fallback, which the caller
// has checked.
func resolve(p *v1alpha1.PolicyBinding, fallback v1alpha1.Mode, catalog *rego.Catalog, at *field.Path) (ResolvedBinding, field.ErrorList) {
	errs := checkMode(p.Mode, at.Child("mode"), nil)
	errs = append(errs, checkFailurePolicy(p.FailurePolicy, at.Child("failurePolicy"))...)
	policy, err := findPolicy(p.Name, catalog, at.Child("name"))
	if err != nil {
		return ResolvedBinding{}, append(errs, err)
	}
	all, bad := parameters(p, policy, at.Child("parameters"))
	errs = append(errs, bad...)
	if len(errs) > 0 {
		return ResolvedBinding{}, errs
	}
	key, failed := instanceKey(policy.ID, all)
	if failed != nil {
		return ResolvedBinding{}, field.ErrorList{field.InternalError(at.Child("parameters"), failed)}
	}
	named := p.Mode
	if named == "" {
		named = fallback
	}
	mode, _ := decision.ParseMode(string(named))
	pinned := p.Mode != "" && mode != decision.ModeEnforce
	return ResolvedBinding{Policy: policy, Parameters: all, Mode: mode, ModePinned: pinned, FailurePolicy: p.FailurePolicy, Key: key}, nil
}

// instanceKey returns what identifies a policy under its parameters. It is equal for equal
// parameters, because json.Marshal sorts the names.
func instanceKey(policy string, parameters map[string]any) (string, error) {
	text, err := json.Marshal(parameters)
	if err != nil {
		return "", err
	}
	return policy + " " + string(text), nil
}

func findPolicy(name string, catalog *rego.Catalog, at *field.Path) (*rego.Policy, *field.Error) {
	if name == "" {
		return nil, field.Required(at, "the id of a policy, as `taffrail policies list` prints it")
	}
	policy, found := catalog.Policy(name)
	if !found {
		reason := "there is no policy with this id"
		if near := Nearest(name, IDs(catalog)); near != "" {
			reason += fmt.Sprintf(", did you mean %q?", near)
		}
		return nil, field.Invalid(at, name, reason)
	}
	return policy, nil
}

// IDs returns the sorted ids of the policies in a catalog.
func IDs(catalog *rego.Catalog) []string {
	policies := catalog.Policies()
	ids := make([]string, 0, len(policies))
	for _, policy := range policies {
		ids = append(ids, policy.ID)
	}
	return ids
}

// parameters returns a binding's parameters as the policy receives them: validated and with
// defaults. at is their path, for errors.
func parameters(binding *v1alpha1.PolicyBinding, policy *rego.Policy, at *field.Path) (map[string]any, field.ErrorList) {
	var given map[string]any
	if binding.Parameters != nil && len(binding.Parameters.Raw) > MaxParameters {
		return nil, field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf(
			"has %d bytes, but only %d are allowed: shorten it, or bind the policy in several Guardrails for different namespaces", len(binding.Parameters.Raw), MaxParameters))}
	}
	if binding.Parameters != nil && len(binding.Parameters.Raw) > 0 {
		var value any
		if err := kjson.UnmarshalCaseSensitivePreserveInts(binding.Parameters.Raw, &value); err != nil {
			return nil, field.ErrorList{field.Invalid(at, string(binding.Parameters.Raw), "is not JSON")}
		}
		object, ok := value.(map[string]any)
		if !ok && value != nil {
			return nil, field.ErrorList{field.TypeInvalid(at, value, "must be a map, not "+describe(value))}
		}
		if errs := checkSize(object, at); len(errs) > 0 {
			return nil, errs
		}
		given = object
	}
	return policy.CheckParameters(given, at)
}
