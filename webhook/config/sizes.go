package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
)

// What a Guardrail may ask for is bounded, so that a request is decided well within its deadline under
// the worst that is allowed: TestTheWorstParametersAllowed measures it. Real configurations stay
// far below.
const (
	// MaxParameters is how long the parameters of one policy may be as JSON, those of all its
	// bindings in a Guardrail together.
	MaxParameters = 16 << 10
	// MaxSets is how many different sets of parameters a policy may have in a Guardrail: the
	// policy is evaluated once for each.
	MaxSets = 8
	// MaxItems is how many items a list or map of a parameter may have.
	MaxItems = 256
	// MaxText is how long a text in a parameter may be, in bytes.
	MaxText = 1024
	// maxDepth is how deep a parameter may be nested.
	maxDepth = 8
	// maxPolicies is how many bindings a Guardrail may have.
	maxPolicies = 256
	// maxNames bounds the lists of namespaces, users and groups of a Guardrail.
	maxNames = 1000
	// maxName is how long a user or group may be, in bytes.
	maxName = 1024
	// maxRequirements and maxValues bound a namespaceSelector.
	maxRequirements = 64
	maxValues       = 256
	// maxKinds and maxContainers bound what an Exemption lists.
	maxKinds      = 100
	maxContainers = 256
	// maxAsterisks is how many asterisks a name of an Exemption may have.
	maxAsterisks = 8
)

// checkSize refuses parameters that would cost every request too much.
func checkSize(value any, at *field.Path) field.ErrorList {
	return sizeErrors(value, at, 0)
}

func sizeErrors(value any, at *field.Path, depth int) (errs field.ErrorList) {
	if depth > maxDepth {
		return field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("is nested more than %d levels deep", maxDepth))}
	}
	switch value := value.(type) {
	case string:
		if len(value) > MaxText {
			return field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("has %d bytes, and a text in a parameter may have %d: shorten it", len(value), MaxText))}
		}
	case []any:
		if len(value) > MaxItems {
			return field.ErrorList{tooManyItems(at, len(value), MaxItems, "list patterns with an asterisk instead of names, or bind the policy in several Guardrails for different namespaces")}
		}
		for i, item := range value {
			errs = append(errs, sizeErrors(item, at.Index(i), depth+1)...)
		}
	case map[string]any:
		if len(value) > MaxItems {
			return field.ErrorList{tooManyItems(at, len(value), MaxItems, "bind the policy in several Guardrails for different namespaces")}
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			member := value[name]
			if len(name) > MaxText {
				errs = append(errs, field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("has a name of %d bytes, and %d are allowed", len(name), MaxText)))
				continue
			}
			errs = append(errs, sizeErrors(member, at.Child(name), depth+1)...)
		}
	}
	return errs
}

func tooManyItems(at *field.Path, have, most int, instead string) *field.Error {
	return field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("has %d items, and %d are allowed: %s", have, most, instead))
}

// usage is what the bindings of one policy have used of its limits.
type usage struct{ sets, bytes int }

// add takes a binding's parameters into account, and refuses those that are too many.
func (u *usage) add(text []byte, at *field.Path) field.ErrorList {
	u.sets++
	u.bytes += len(text)
	switch {
	case u.sets > MaxSets:
		return field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf(
			"is the %dth set of parameters of this policy in the Guardrail, and %d are allowed: merge them, or bind it in several Guardrails for different namespaces", u.sets, MaxSets))}
	case u.bytes > MaxParameters:
		return field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf(
			"the parameters of this policy in the Guardrail have %d bytes as JSON, and %d are allowed: shorten them, or bind it in several Guardrails for different namespaces", u.bytes, MaxParameters))}
	}
	return nil
}

func checkSelectorSize(selector *metav1.LabelSelector, at *field.Path) (errs field.ErrorList) {
	if selector == nil {
		return nil
	}
	const instead = "label the namespaces and select that label"
	if n := len(selector.MatchExpressions) + len(selector.MatchLabels); n > maxRequirements {
		errs = append(errs, tooManyItems(at, n, maxRequirements, instead))
	}
	for i := range selector.MatchExpressions {
		if n := len(selector.MatchExpressions[i].Values); n > maxValues {
			errs = append(errs, tooManyItems(at.Child("matchExpressions").Index(i).Child("values"), n, maxValues, instead))
		}
	}
	return errs
}

func checkNames(g *v1alpha1.Guardrail, spec *field.Path) (errs field.ErrorList) {
	if n := len(g.Spec.ExcludeNamespaces); n > maxNames {
		errs = append(errs, tooManyItems(spec.Child("excludeNamespaces"), n, maxNames, "select a label that those namespaces lack"))
	}
	trusted := spec.Child("trustedWriters")
	for _, list := range []struct {
		name    string
		members []string
	}{{"users", g.Spec.TrustedWriters.Users}, {"groups", g.Spec.TrustedWriters.Groups}} {
		at, list := trusted.Child(list.name), list.members
		if len(list) > maxNames {
			errs = append(errs, tooManyItems(at, len(list), maxNames, "trust a group instead of its members"))
		}
		for i, member := range list {
			if len(member) > maxName {
				errs = append(errs, field.TooLong(at.Index(i), member, maxName))
			}
		}
	}
	return errs
}

func checkExemptionSize(e *v1alpha1.Exemption, spec *field.Path) (errs field.ErrorList) {
	const instead = "write several Exemptions"
	for _, list := range []struct {
		name       string
		have, most int
	}{
		{"policies", len(e.Spec.Policies), 100},
		{"namespaces", len(e.Spec.Namespaces), maxNames},
		{"kinds", len(e.Spec.Kinds), maxKinds},
		{"names", len(e.Spec.Names), maxNames},
		{"containers", len(e.Spec.Containers), maxContainers},
	} {
		if list.have > list.most {
			errs = append(errs, tooManyItems(spec.Child(list.name), list.have, list.most, instead))
		}
	}
	return errs
}

func tooManyAsterisks(pattern string, at *field.Path) *field.Error {
	if n := strings.Count(pattern, "*"); n > maxAsterisks {
		return field.Invalid(at, pattern, fmt.Sprintf("has %d asterisks, and %d are allowed", n, maxAsterisks))
	}
	return nil
}
