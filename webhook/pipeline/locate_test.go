package pipeline

import "testing"

// A path leads to its container in the object that it was made from. In an object that has
// changed since, it leads nowhere: never to another place, and never out of a list.
func TestAPathLeadsToItsContainerOrNowhere(t *testing.T) {
	object := map[string]any{"spec": map[string]any{
		"containers": []any{map[string]any{"name": "first"}, map[string]any{"name": "second"}, "no container"},
		"template":   map[string]any{"spec": map[string]any{"initContainers": []any{map[string]any{"name": "deep"}}}},
		"name":       "text",
	}}
	for path, want := range map[string]any{
		"spec.containers[0]":                   "first",
		"spec.containers[1]":                   "second",
		"spec.template.spec.initContainers[0]": "deep",
		"spec.containers[2]":                   nil,
		"spec.containers[3]":                   nil,
		"spec.containers[x]":                   nil,
		"spec.containers[]":                    nil,
		"spec.initContainers[0]":               nil,
		"spec.name[0]":                         nil,
		"spec.name.containers[0]":              nil,
		"spec.template.containers[0]":          nil,
		"spec.containers":                      nil,
	} {
		if got := containerAt(object, path); got["name"] != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}
