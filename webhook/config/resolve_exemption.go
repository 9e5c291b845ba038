package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/rego"
)

const expiryHint = "write the last day, such as 2027-01-31, or the exact end, such as 2027-01-31T18:00:00Z"

// maxPattern is the maximum length of an object name.
const maxPattern = 253

// ResolveExemption validates an Exemption against the catalog of policies. It returns nil if
// any restriction of what the Exemption matches is invalid, because a typing error must never
// widen an Exemption. Policies that do not exist are left out.
func ResolveExemption(e *v1alpha1.Exemption, catalog *rego.Catalog) (*Exemption, field.ErrorList) {
	spec := field.NewPath("spec")
	kinds, errs := exemptedKinds(e.Spec.Kinds, catalog, spec.Child("kinds"))
	until, late := expiry(e.Spec.Expires, spec.Child("expires"))
	errs = slices.Concat(
		checkName(e.Name, KindExemption), errs, late, checkExemptionSize(e, spec),
		checkExemptedNamespaces(e.Spec.Namespaces, spec.Child("namespaces")),
		checkPatterns(e.Spec.Names, spec.Child("names")),
		checkPatterns(e.Spec.Containers, spec.Child("containers")),
		required(e.Spec.Reason, spec.Child("reason"), "explain why the objects need not comply yet"),
		required(e.Spec.Owner, spec.Child("owner"), "name a contact: a team, a person or an address"),
	)
	usable := len(errs) == 0
	policies, bad := exemptedPolicies(e.Spec.Policies, catalog, spec.Child("policies"))
	errs = append(errs, bad...)
	if !usable || len(policies) == 0 {
		return nil, errs
	}
	return &Exemption{
		Name: e.Name, Policies: policies, Namespaces: e.Spec.Namespaces, Kinds: kinds,
		Names: e.Spec.Names, Containers: e.Spec.Containers, Until: until, Created: e.CreationTimestamp.Time,
	}, errs
}

func exemptedPolicies(ids []string, catalog *rego.Catalog, at *field.Path) (known []string, errs field.ErrorList) {
	if len(ids) == 0 {
		return nil, field.ErrorList{field.Required(at, "name the policies that the objects are exempt from")}
	}
	errs = checkSet(ids, at)
	for i, id := range ids {
		if id == "" {
			continue
		}
		if _, err := findPolicy(id, catalog, at.Index(i)); err != nil {
			errs = append(errs, err)
			continue
		}
		known = append(known, id)
	}
	return known, errs
}

// exemptedKinds accepts only kinds that a policy covers: any other kind would have no effect,
// and is most likely mistyped.
func exemptedKinds(texts []string, catalog *rego.Catalog, at *field.Path) (kinds []Kind, errs field.ErrorList) {
	errs = checkSet(texts, at)
	for i, text := range texts {
		if text == "" {
			continue
		}
		kind := Kind{GroupKind: schema.ParseGroupKind(text), Any: !strings.Contains(text, ".")}
		if !slices.ContainsFunc(catalog.Policies(), func(p *rego.Policy) bool { return slices.ContainsFunc(p.Kinds, kind.Covers) }) {
			reason := "no policy applies to this kind"
			if near := Nearest(text, kindNames(catalog)); near != "" {
				reason += fmt.Sprintf(", did you mean %q?", near)
			}
			errs = append(errs, field.Invalid(at.Index(i), text, reason))
			continue
		}
		kinds = append(kinds, kind)
	}
	return kinds, errs
}

// kindNames returns the kinds of the catalog's policies, with and without group, sorted.
func kindNames(catalog *rego.Catalog) (names []string) {
	for _, policy := range catalog.Policies() {
		for _, kind := range policy.Kinds {
			names = append(names, kind.Kind, kind.String())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func checkExemptedNamespaces(namespaces []string, at *field.Path) field.ErrorList {
	if len(namespaces) == 0 {
		return field.ErrorList{field.Required(at, `name the namespaces, or write "*" alone for all of them`)}
	}
	if len(namespaces) == 1 && namespaces[0] == AnyNamespace {
		return nil
	}
	for i, name := range namespaces {
		if strings.Contains(name, "*") {
			return field.ErrorList{field.Invalid(at.Index(i), name, `name each namespace, or write "*" alone for all of them`)}
		}
	}
	return checkNamespaces(namespaces, at)
}

func checkPatterns(patterns []string, at *field.Path) field.ErrorList {
	errs := checkSet(patterns, at)
	for i, pattern := range patterns {
		switch {
		case strings.ContainsFunc(pattern, unicode.IsSpace):
			errs = append(errs, field.Invalid(at.Index(i), pattern, "a name cannot contain white space"))
		case strings.ContainsAny(pattern, "?[]{}^$|/\\"):
			errs = append(errs, field.Invalid(at.Index(i), pattern, "the only wildcard is the asterisk, which matches any text"))
		case len(pattern) > maxPattern:
			errs = append(errs, field.TooLong(at.Index(i), pattern, maxPattern))
		default:
			if err := tooManyAsterisks(pattern, at.Index(i)); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

// expiry returns the end of the given day, or the given moment.
func expiry(text string, at *field.Path) (time.Time, field.ErrorList) {
	if text == "" {
		return time.Time{}, field.ErrorList{field.Required(at, expiryHint)}
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, field.ErrorList{field.Invalid(at, text, expiryHint)}
	}
	return moment, nil
}
