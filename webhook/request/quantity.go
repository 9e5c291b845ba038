package request

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// requirements parses the resources of the container or Pod at owner.
func requirements(resources map[string]any, owner string) (corev1.ResourceRequirements, error) {
	// Parse limits first: in a manifest, they may already have been copied to the requests, and
	// an error should name the field that the user wrote.
	limits, err := quantities(mapAt(resources, "limits"), func() string { return owner + ".resources.limits" })
	if err != nil {
		return corev1.ResourceRequirements{}, err
	}
	requests, err := quantities(mapAt(resources, "requests"), func() string { return owner + ".resources.requests" })
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}, err
}

// quantities rejects what the API server's decoder rejects. If a quantity that does not parse
// counted as missing, it would be filled.
func quantities(list map[string]any, path func() string) (corev1.ResourceList, error) {
	if len(list) == 0 {
		return nil, nil
	}
	parsed := make(corev1.ResourceList, len(list))
	for name, value := range list {
		if value == nil {
			continue
		}
		quantity, err := quantityOf(value)
		if err != nil {
			return nil, firstBadQuantity(list, path())
		}
		parsed[corev1.ResourceName(name)] = quantity
	}
	return parsed, nil
}

var errNotAQuantity = errors.New("not a quantity")

func quantityOf(value any) (resource.Quantity, error) {
	text, ok := value.(string)
	if !ok {
		text = fmt.Sprint(value)
	}
	if HugeExponent(text) {
		return resource.Quantity{}, &LimitError{What: "exponent", Limit: MaxExponentDigits}
	}
	quantity, err := resource.ParseQuantity(text)
	if err != nil {
		return quantity, errNotAQuantity
	}
	return quantity, nil
}

// firstBadQuantity returns the error of the first name that has one, so that the same error is
// reported every time.
func firstBadQuantity(list map[string]any, path string) error {
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if list[name] == nil {
			continue
		}
		_, err := quantityOf(list[name])
		if errors.Is(err, errNotAQuantity) {
			return &FieldError{Path: path + "." + name, Reason: "is not a quantity, such as 100m or 128Mi"}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// HugeExponent reports whether a short quantity such as 1e-100000000 would take minutes to
// parse or to compare. The API server accepts such quantities.
func HugeExponent(text string) bool {
	e := strings.LastIndexAny(text, "eE")
	if e < 0 {
		return false
	}
	digits := strings.TrimLeft(text[e+1:], "+-")
	return len(digits) > MaxExponentDigits && strings.Trim(digits, "0123456789") == ""
}

// trimmed removes the spaces around a quantity that its decoder ignores. The decoder does not
// ignore characters that JSON has to escape.
func trimmed(text string) string {
	if strings.ContainsAny(text, "\b\t\n\f\r") {
		return text
	}
	return strings.TrimSpace(text)
}

// hugeQuantities reports whether HugeExponent is true of any quantity in a Pod template or a
// claim. It ignores the case of field names by Unicode's rules, as decoders do.
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

// checkOverhead validates the one list of quantities that is parsed later.
func checkOverhead(w *decision.Workload, spec map[string]any) error {
	_, err := quantities(mapAt(spec, "overhead"), func() string { return join(w.PodPath, "spec") + ".overhead" })
	return err
}
