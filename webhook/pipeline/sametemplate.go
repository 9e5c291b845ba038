package pipeline

import (
	"reflect"
	"slices"
)

// sameTemplate compares templates as the API server gives them, but for labels that it,
// or a controller, adds. null is what is not there.
func sameTemplate(a, b map[string]any, ignored ...string) bool {
	return len(a) > 0 && reflect.DeepEqual(plain(a, ignored), plain(b, ignored))
}

// plain is a copy of a template without null and without some labels.
func plain(template map[string]any, ignored []string) map[string]any {
	copied := withoutNull(template)
	metadata := mapOf(copied, "metadata")
	labels := mapOf(metadata, "labels")
	for _, label := range ignored {
		delete(labels, label)
	}
	if len(labels) == 0 {
		delete(metadata, "labels")
	}
	if len(metadata) == 0 {
		delete(copied, "metadata")
	}
	return copied
}

func withoutNull(object map[string]any) map[string]any {
	copied := make(map[string]any, len(object))
	for name, value := range object {
		switch value := value.(type) {
		case nil:
		case map[string]any:
			copied[name] = withoutNull(value)
		case []any:
			items := slices.Clone(value)
			for i, item := range items {
				if item, ok := item.(map[string]any); ok {
					items[i] = withoutNull(item)
				}
			}
			copied[name] = items
		default:
			copied[name] = value
		}
	}
	return copied
}

func mapOf(object map[string]any, name string) map[string]any {
	m, _ := object[name].(map[string]any)
	return m
}
