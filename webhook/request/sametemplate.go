package request

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
)

// SameTemplate reports whether two Pod templates are the same to Kubernetes, but for labels
// that it, or a controller, adds. Both are brought into one form first: read as the API
// server reads them, with every default of the API server. So neither the version that
// stored a template nor how a quantity is written makes a difference. An empty template is
// like no other.
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

// canonicalTemplate also returns what of a template this version of k8s.io/api does not
// know, nil where that is nothing: a newer API server may.
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

// remainder is what an object has and its typed form has not; nil where that is nothing.
// Zero values, which the typed form leaves out, do not count.
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
