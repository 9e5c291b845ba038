package config

import (
	"encoding/json"
	"fmt"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/engine"
)

// Check tells whether a Guardrail means something: everything that its types leave
// open, against the catalogue of policies. A cluster's CRD schema refuses some of it
// too, but a file never saw a schema, and a cluster's may be of another version.
func Check(g *v1alpha1.Guardrail, catalog *engine.Catalog) field.ErrorList {
	spec := field.NewPath("spec")
	errs := checkName(g.Name)
	errs = append(errs, checkMode(g.Spec.Mode, spec.Child("mode"), field.Required(spec.Child("mode"), "use enforce, warn or audit"))...)
	errs = append(errs, checkSelector(g.Spec.NamespaceSelector, spec.Child("namespaceSelector"))...)
	errs = append(errs, checkNamespaces(g.Spec.ExcludeNamespaces, spec.Child("excludeNamespaces"))...)
	switch g.Spec.Existing {
	case "", v1alpha1.ExistingTolerate, v1alpha1.ExistingEnforce:
	default:
		errs = append(errs, field.NotSupported(spec.Child("existing"), g.Spec.Existing,
			[]v1alpha1.Existing{v1alpha1.ExistingTolerate, v1alpha1.ExistingEnforce}))
	}
	trusted := spec.Child("trustedWriters")
	errs = append(errs, checkSet(g.Spec.TrustedWriters.Users, trusted.Child("users"))...)
	errs = append(errs, checkSet(g.Spec.TrustedWriters.Groups, trusted.Child("groups"))...)
	return append(errs, checkPolicies(g.Spec.Policies, catalog, spec.Child("policies"))...)
}

func checkName(name string) (errs field.ErrorList) {
	at := field.NewPath("metadata", "name")
	if name == "" {
		return field.ErrorList{field.Required(at, "a Guardrail is known by its name")}
	}
	for _, reason := range apivalidation.NameIsDNSSubdomain(name, false) {
		errs = append(errs, field.Invalid(at, name, reason))
	}
	return errs
}

// checkMode returns missing where no mode is given, unless that is nil.
func checkMode(mode v1alpha1.Mode, at *field.Path, missing *field.Error) field.ErrorList {
	modes := []v1alpha1.Mode{v1alpha1.ModeEnforce, v1alpha1.ModeWarn, v1alpha1.ModeAudit}
	switch mode {
	case v1alpha1.ModeEnforce, v1alpha1.ModeWarn, v1alpha1.ModeAudit:
		return nil
	case "":
		if missing == nil {
			return nil
		}
		return field.ErrorList{missing}
	}
	return field.ErrorList{field.NotSupported(at, mode, modes)}
}

func checkSelector(selector *metav1.LabelSelector, at *field.Path) field.ErrorList {
	errs := metav1validation.ValidateLabelSelector(selector, metav1validation.LabelSelectorValidationOptions{}, at)
	if len(errs) > 0 {
		return errs
	}
	// Validation looks at the words, this at their sense.
	if _, err := metav1.LabelSelectorAsSelector(selector); err != nil {
		return field.ErrorList{field.Invalid(at, metav1.FormatLabelSelector(selector), err.Error())}
	}
	return nil
}

func checkNamespaces(namespaces []string, at *field.Path) field.ErrorList {
	errs := checkSet(namespaces, at)
	for i, name := range namespaces {
		if name == "" {
			continue
		}
		for _, reason := range validation.IsDNS1123Label(name) {
			errs = append(errs, field.Invalid(at.Index(i), name, reason))
		}
	}
	return errs
}

// checkSet refuses what the API server refuses of a list that is a set, and empty members.
func checkSet(members []string, at *field.Path) (errs field.ErrorList) {
	seen := make(map[string]bool, len(members))
	for i, member := range members {
		switch {
		case member == "":
			errs = append(errs, field.Required(at.Index(i), "must not be empty"))
		case seen[member]:
			errs = append(errs, field.Duplicate(at.Index(i), member))
		}
		seen[member] = true
	}
	return errs
}

func checkPolicies(bindings []v1alpha1.PolicyBinding, catalog *engine.Catalog, at *field.Path) (errs field.ErrorList) {
	if len(bindings) == 0 {
		return field.ErrorList{field.Required(at, "a Guardrail without policies holds nothing")}
	}
	bound := make(map[string]int, len(bindings))
	for i := range bindings {
		binding, place := &bindings[i], at.Index(i)
		errs = append(errs, checkMode(binding.Mode, place.Child("mode"), nil)...)
		policy, err := findPolicy(binding.Name, catalog, place.Child("name"))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		whole, bad := Parameters(binding, policy, place.Child("parameters"))
		if len(bad) > 0 {
			errs = append(errs, bad...)
			continue
		}
		parameters, bad := canonical(whole, place.Child("parameters"))
		if len(bad) > 0 {
			errs = append(errs, bad...)
			continue
		}
		// Defaults are filled in by now, so that saying a default aloud makes no difference.
		same := binding.Name + parameters
		if first, found := bound[same]; found {
			duplicate := field.Duplicate(place, binding.Name)
			duplicate.Detail = at.Index(first).String() + " binds it with the same parameters"
			errs = append(errs, duplicate)
			continue
		}
		bound[same] = i
	}
	return errs
}

func findPolicy(name string, catalog *engine.Catalog, at *field.Path) (*engine.Policy, *field.Error) {
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
func IDs(catalog *engine.Catalog) []string {
	policies := catalog.Policies()
	ids := make([]string, 0, len(policies))
	for _, policy := range policies {
		ids = append(ids, policy.ID)
	}
	return ids
}

// Parameters returns a binding's parameters as the policy will see them, checked and
// with the defaults filled in. at is their place, for the errors.
func Parameters(binding *v1alpha1.PolicyBinding, policy *engine.Policy, at *field.Path) (map[string]any, field.ErrorList) {
	var given map[string]any
	if binding.Parameters != nil && len(binding.Parameters.Raw) > 0 {
		var value any
		if err := kjson.UnmarshalCaseSensitivePreserveInts(binding.Parameters.Raw, &value); err != nil {
			return nil, field.ErrorList{field.Invalid(at, string(binding.Parameters.Raw), "is not JSON")}
		}
		object, ok := value.(map[string]any)
		if !ok && value != nil {
			return nil, field.ErrorList{field.TypeInvalid(at, value, "must be a map, not "+describe(value))}
		}
		given = object
	}
	return policy.CheckParameters(given, at)
}

// canonical writes parameters so that equal ones are equal as text.
func canonical(parameters map[string]any, at *field.Path) (string, field.ErrorList) {
	text, err := json.Marshal(parameters)
	if err != nil {
		return "", field.ErrorList{field.InternalError(at, err)}
	}
	return string(text), nil
}
