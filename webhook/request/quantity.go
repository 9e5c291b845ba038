package request

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// requirements are the resources of a container or a Pod, at owner.
func requirements(resources map[string]any, owner string) (corev1.ResourceRequirements, error) {
	// Limits first: those of a manifest may stand among the requests already, where nobody
	// wrote them.
	limits, err := quantities(mapAt(resources, "limits"), owner+".resources.limits")
	if err != nil {
		return corev1.ResourceRequirements{}, err
	}
	requests, err := quantities(mapAt(resources, "requests"), owner+".resources.requests")
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}, err
}

// quantities refuses what the API server's decoder does: taken for missing, a quantity
// that does not parse would be filled in.
func quantities(list map[string]any, path string) (corev1.ResourceList, error) {
	if len(list) == 0 {
		return nil, nil
	}
	parsed := make(corev1.ResourceList, len(list))
	// In a fixed order, so that of two that are wrong always the same is named.
	for _, name := range slices.Sorted(maps.Keys(list)) {
		value := list[name]
		if value == nil {
			continue
		}
		text, ok := value.(string)
		if !ok {
			text = fmt.Sprint(value)
		}
		if HugeExponent(text) {
			return nil, &LimitError{What: "exponent", Limit: MaxExponentDigits}
		}
		quantity, err := resource.ParseQuantity(text)
		if err != nil {
			return nil, &FieldError{Path: path + "." + name, Reason: "is not a quantity, such as 100m or 128Mi"}
		}
		parsed[corev1.ResourceName(name)] = quantity
	}
	return parsed, nil
}

// HugeExponent tells whether a quantity that is short would take minutes to parse, as
// 1e-100000000 does, or to compare with another. The API server takes such quantities.
func HugeExponent(text string) bool {
	e := strings.LastIndexAny(text, "eE")
	if e < 0 {
		return false
	}
	digits := strings.TrimLeft(text[e+1:], "+-")
	return len(digits) > MaxExponentDigits && strings.Trim(digits, "0123456789") == ""
}

// trimmed takes away the blanks around a quantity, as its decoder does. Those that JSON
// has to escape it does not take away.
func trimmed(text string) string {
	if strings.ContainsAny(text, "\b\t\n\f\r") {
		return text
	}
	return strings.TrimSpace(text)
}

// hugeQuantities reports whether HugeExponent is true of a quantity anywhere in a Pod
// template or a claim, whatever the case of the names that lead there. Decoders fold case by
// Unicode's rules.
func hugeQuantities(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			like := func(other string) bool { return strings.EqualFold(name, other) }
			switch {
			case slices.ContainsFunc([]string{"limits", "requests", "overhead", "capacity", "allocatedResources"}, like):
				list, _ := member.(map[string]any)
				for _, quantity := range list {
					if isHuge(quantity) {
						return true
					}
				}
			case like("sizeLimit"), like("divisor"):
				if isHuge(member) {
					return true
				}
			}
			if hugeQuantities(member) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(value, hugeQuantities)
	}
	return false
}

func isHuge(quantity any) bool {
	text, ok := quantity.(string)
	return ok && HugeExponent(strings.TrimSpace(text))
}

// checkOverhead looks at the one list of quantities that others parse later.
func checkOverhead(w *decision.Workload, spec map[string]any) error {
	_, err := quantities(mapAt(spec, "overhead"), join(w.PodPath, "spec")+".overhead")
	return err
}
