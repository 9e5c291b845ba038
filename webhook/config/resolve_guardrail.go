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

// Resolved is what of a Guardrail can be in force.
type Resolved struct {
	// Usable is false where it is not even known whom the Guardrail covers, or how:
	// then there are no bindings.
	Usable bool
	// Bindings are the sound ones, in the Guardrail's order.
	Bindings []ResolvedBinding
}

// ResolvedBinding is a policy of the catalogue as a Guardrail binds it.
type ResolvedBinding struct {
	Policy *rego.Policy
	// Parameters are checked, with the defaults filled in.
	Parameters map[string]any
	// Mode is the Guardrail's where the binding has none of its own.
	Mode decision.Mode
	// FailurePolicy is empty if the binding has none of its own.
	FailurePolicy v1alpha1.PolicyFailure
	// ModePinned is true where it has one of its own, below enforce.
	ModePinned bool
	// Key is equal for equal parameters of one policy: whoever says a default aloud
	// means the same as who leaves it out.
	Key string
}

// Resolve finds out what a Guardrail means, against the catalogue of policies: it checks
// everything that the types leave open. A cluster's CRD schema refuses some of it too,
// but a file never saw a schema, and a cluster's may be of another version. A binding
// that is wrong is left out, and the others hold: a typing error in one must not switch
// off a whole Guardrail.
func Resolve(g *v1alpha1.Guardrail, catalog *rego.Catalog) (Resolved, field.ErrorList) {
	spec := field.NewPath("spec")
	errs := checkCoverage(g, spec)
	usable := len(errs) == 0
	errs = append(errs, checkExceptions(g, spec)...)
	bindings, bad := resolveBindings(g, catalog, spec.Child("policies"))
	errs = append(errs, bad...)
	if !usable {
		return Resolved{}, errs
	}
	return Resolved{Usable: true, Bindings: bindings}, errs
}

func resolveBindings(g *v1alpha1.Guardrail, catalog *rego.Catalog, at *field.Path) (bindings []ResolvedBinding, errs field.ErrorList) {
	if len(g.Spec.Policies) == 0 {
		return nil, field.ErrorList{field.Required(at, "a Guardrail without policies holds nothing")}
	}
	if n := len(g.Spec.Policies); n > maxPolicies {
		errs = append(errs, tooManyItems(at, n, maxPolicies, "bind some in another Guardrail"))
	}
	bound := make(map[string]int, len(g.Spec.Policies))
	used := map[string]*usage{}
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
			used[binding.Policy.ID] = &usage{}
		}
		if bad := used[binding.Policy.ID].add([]byte(binding.Key), at.Index(i).Child("parameters")); len(bad) > 0 {
			errs = append(errs, bad...)
			continue
		}
		bound[binding.Key] = i
		bindings = append(bindings, binding)
	}
	return bindings, errs
}

// resolve takes the Guardrail's mode for a binding without one. Whether that is a mode
// at all is checked once, for the Guardrail.
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
	// Writing JSON sorts the names.
	text, failed := json.Marshal(all)
	if failed != nil {
		return ResolvedBinding{}, field.ErrorList{field.InternalError(at.Child("parameters"), failed)}
	}
	named := p.Mode
	if named == "" {
		named = fallback
	}
	mode, _ := decision.ParseMode(string(named))
	held := p.Mode != "" && mode != decision.ModeEnforce
	return ResolvedBinding{Policy: policy, Parameters: all, Mode: mode, ModePinned: held, FailurePolicy: p.FailurePolicy, Key: policy.ID + " " + string(text)}, nil
}

func findPolicy(name string, catalog *rego.Catalog, at *field.Path) (*rego.Policy, *field.Error) {
	if name == "" {
		return nil, field.Required(at, "the id of a policy, as `taffrail policies list` prints it")
	}
	policy, found := catalog.Policy(name)
	if !found {
		reason := "no policy has this id"
		if near := Nearest(name, IDs(catalog)); near != "" {
			reason += fmt.Sprintf(", did you mean %q?", near)
		}
		return nil, field.Invalid(at, name, reason)
	}
	return policy, nil
}

// IDs lists the policies of a catalogue by id, sorted.
func IDs(catalog *rego.Catalog) []string {
	policies := catalog.Policies()
	ids := make([]string, 0, len(policies))
	for _, policy := range policies {
		ids = append(ids, policy.ID)
	}
	return ids
}

// parameters returns a binding's parameters as the policy will see them, checked and
// with the defaults filled in. at is their place, for the errors.
func parameters(binding *v1alpha1.PolicyBinding, policy *rego.Policy, at *field.Path) (map[string]any, field.ErrorList) {
	var given map[string]any
	if binding.Parameters != nil && len(binding.Parameters.Raw) > MaxParameters {
		return nil, field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf(
			"has %d bytes, and %d are allowed: shorten it, or bind the policy in several Guardrails for different namespaces", len(binding.Parameters.Raw), MaxParameters))}
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
