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

// These limits keep a request well within its deadline even in the worst case, which
// TestTheWorstParametersAllowed measures. Real configurations stay far below them.
const (
	// MaxParameters is the maximum size in bytes of a policy's parameters as JSON, summed over
	// its bindings in a Guardrail.
	MaxParameters = 16 << 10
	// MaxSets is the maximum number of different parameter sets of a policy in a Guardrail. The
	// policy is evaluated once per set.
	MaxSets = 8
	// MaxItems is the maximum number of items in a list or map in a parameter.
	MaxItems = 256
	// MaxText is the maximum length of a string in a parameter, in bytes.
	MaxText = 1024
	// maxDepth is the maximum nesting depth of a parameter.
	maxDepth = 8
	// maxPolicies is the maximum number of bindings in a Guardrail.
	maxPolicies = 256
	// maxNames limits each list of namespaces, users and groups in a Guardrail.
	maxNames = 1000
	// maxName is the maximum length of a user or group, in bytes.
	maxName = 1024
	// maxRequirements and maxValues limit a namespaceSelector.
	maxRequirements = 64
	maxValues       = 256
	// maxKinds and maxContainers limit the lists of an Exemption.
	maxKinds      = 100
	maxContainers = 256
	// maxAsterisks is the maximum number of asterisks in a name of an Exemption.
	maxAsterisks = 8
)

// checkSize rejects parameters that would make every request too expensive.
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
			return field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("has %d bytes, but a text in a parameter may have at most %d: shorten it", len(value), MaxText))}
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
				errs = append(errs, field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("has a name of %d bytes, but only %d are allowed", len(name), MaxText)))
				continue
			}
			errs = append(errs, sizeErrors(member, at.Child(name), depth+1)...)
		}
	}
	return errs
}

func tooManyItems(at *field.Path, have, most int, instead string) *field.Error {
	return field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("has %d items, but only %d are allowed: %s", have, most, instead))
}

// ParameterUsage is how much of a policy's limits the parameters of its bindings use.
type ParameterUsage struct {
	// Sets is the number of different parameter sets, and Bytes their size as JSON.
	Sets, Bytes int
}

// Add counts a parameter set of some bytes.
func (u *ParameterUsage) Add(bytes int) {
	u.Sets++
	u.Bytes += bytes
}

// HasTooManySets reports whether there are more sets than a policy may have.
func (u *ParameterUsage) HasTooManySets() bool { return u.Sets > MaxSets }

// HasTooManyBytes reports whether the sets are larger than a policy's may be.
func (u *ParameterUsage) HasTooManyBytes() bool { return u.Bytes > MaxParameters }

// check returns an error if the parameters of one Guardrail exceed the limits. at is the path of
// those that were counted last.
func (u *ParameterUsage) check(at *field.Path) field.ErrorList {
	switch {
	case u.HasTooManySets():
		return field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf(
			"is the %dth set of parameters of this policy in the Guardrail, but only %d are allowed: merge them, or bind it in several Guardrails for different namespaces", u.Sets, MaxSets))}
	case u.HasTooManyBytes():
		return field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf(
			"the parameters of this policy in the Guardrail have %d bytes as JSON, but only %d are allowed: shorten them, or bind it in several Guardrails for different namespaces", u.Bytes, MaxParameters))}
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

func checkListSizes(g *v1alpha1.Guardrail, spec *field.Path) (errs field.ErrorList) {
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
		return field.Invalid(at, pattern, fmt.Sprintf("has %d asterisks, but only %d are allowed", n, maxAsterisks))
	}
	return nil
}
