package config

import (
	"slices"
	"strings"
	"time"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
)

// checkCoverage checks which namespaces a Guardrail selects and under which mode. With any
// error, no part of the Guardrail can be in force.
func checkCoverage(g *v1alpha1.Guardrail, spec *field.Path) field.ErrorList {
	errs := checkName(g.Name, KindGuardrail)
	errs = append(errs, checkMode(g.Spec.Mode, spec.Child("mode"), field.Required(spec.Child("mode"), "use enforce, warn or audit"))...)
	return append(errs, checkSelector(g.Spec.NamespaceSelector, spec.Child("namespaceSelector"))...)
}

// checkExclusions checks what a Guardrail excludes. Its bindings stay in force despite errors
// there.
func checkExclusions(g *v1alpha1.Guardrail, spec *field.Path) field.ErrorList {
	errs := append(checkListSizes(g, spec), checkSelectorSize(g.Spec.NamespaceSelector, spec.Child("namespaceSelector"))...)
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
	return append(errs, checkExemptionLimits(g, spec.Child("exemptions"))...)
}

func checkExemptionLimits(g *v1alpha1.Guardrail, at *field.Path) (errs field.ErrorList) {
	limits := g.Spec.Exemptions
	if limits == nil {
		return nil
	}
	if text := limits.MaxDuration; text != "" {
		if most, err := time.ParseDuration(text); err != nil || most <= 0 {
			errs = append(errs, field.Invalid(at.Child("maxDuration"), text, "write hours, as in 2160h for 90 days"))
		}
	}
	errs = append(errs, checkSet(limits.Never, at.Child("never"))...)
	for i, id := range limits.Never {
		if id == "" || slices.ContainsFunc(g.Spec.Policies, func(b v1alpha1.PolicyBinding) bool { return b.Name == id }) {
			continue
		}
		errs = append(errs, field.Invalid(at.Child("never").Index(i), id, "this Guardrail binds no such policy"))
	}
	return errs
}

func checkName(name, kind string) (errs field.ErrorList) {
	at := field.NewPath("metadata", "name")
	if name == "" {
		return field.ErrorList{field.Required(at, "give the "+kind+" a name")}
	}
	for _, reason := range apivalidation.NameIsDNSSubdomain(name, false) {
		errs = append(errs, field.Invalid(at, name, reason))
	}
	return errs
}

// checkMode returns missing, which may be nil, if mode is empty.
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
	// ValidateLabelSelector checks the syntax only.
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

// checkSet rejects duplicates, as the API server does for a set, and empty members.
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

func required(text string, at *field.Path, why string) field.ErrorList {
	if strings.TrimSpace(text) == "" {
		return field.ErrorList{field.Required(at, why)}
	}
	return nil
}
