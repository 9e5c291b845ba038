package request

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
)

// SameTemplate reports whether two Pod templates are equivalent for Kubernetes, apart from
// labels that it or a controller adds. Both are first decoded as the API server does, with all
// its defaults, so neither the version that stored a template nor the notation of a quantity
// matters. An empty template equals no other.
func SameTemplate(a, b map[string]any, ignored ...string) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	one, rest, err := canonicalTemplate(a, ignored)
	if err != nil {
		return false
	}
	other, otherRest, err := canonicalTemplate(b, ignored)
	return err == nil && apiequality.Semantic.DeepEqual(one, other) && reflect.DeepEqual(rest, otherRest)
}

// canonicalTemplate also returns the parts of a template that this version of k8s.io/api does
// not know, or nil: a newer API server may know them.
func canonicalTemplate(template map[string]any, ignored []string) (*corev1.PodTemplateSpec, any, error) {
	if hugeQuantities(template) {
		return nil, nil, &LimitError{What: "exponent", Limit: MaxExponentDigits}
	}
	typed := &corev1.PodTemplateSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, typed); err != nil {
		return nil, nil, err
	}
	known, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, nil, err
	}
	rest := remainder(template, known)
	SetPodTemplateDefaults(typed)
	for _, label := range ignored {
		delete(typed.Labels, label)
	}
	return typed, rest, nil
}

// remainder returns what an object has beyond its typed form, or nil. It ignores zero values,
// which the typed form omits.
func remainder(object, known any) any {
	switch object := object.(type) {
	case map[string]any:
		known, ok := known.(map[string]any)
		if !ok {
			return nil
		}
		rest := map[string]any{}
		for name, value := range object {
			if there, ok := known[name]; ok {
				value = remainder(value, there)
			}
			if !isZero(value) {
				rest[name] = value
			}
		}
		if len(rest) > 0 {
			return rest
		}
	case []any:
		known, ok := known.([]any)
		if !ok || len(known) != len(object) {
			return nil
		}
		rest := map[int]any{}
		for i, value := range object {
			if value = remainder(value, known[i]); value != nil {
				rest[i] = value
			}
		}
		if len(rest) > 0 {
			return rest
		}
	}
	return nil
}

func isZero(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return reflect.ValueOf(value).IsZero()
}
