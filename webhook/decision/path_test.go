package decision_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/decision"
)

func TestWithin(t *testing.T) {
	for path, want := range map[string]bool{
		"spec.template": true, "spec.template.spec": true, "spec.template[0]": true,
		"spec.templates": false, "spec": false, "data.spec.template": false, "": false,
	} {
		if got := decision.FieldPath(path).Within("spec.template"); got != want {
			t.Errorf("%q: got %v", path, got)
		}
	}
}

func TestSegments(t *testing.T) {
	for path, want := range map[string][]string{
		"":                                       nil,
		"spec":                                   {"spec"},
		"spec.type":                              {"spec", "type"},
		"spec.template.spec.containers[0].image": {"spec", "template", "spec", "containers", "0", "image"},
		"data[tls.crt]":                          {"data", "tls.crt"},
		"metadata.labels[app.kubernetes.io/name]":                                  {"metadata", "labels", "app.kubernetes.io/name"},
		"metadata.annotations[kubectl.kubernetes.io/last-applied-configuration].x": {"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration", "x"},
		"a[0][1]": {"a", "0", "1"},
		"[0].a":   {"0", "a"},
		".a":      {"a"},
		"a[b":     {"a", "[b"},
		"data[]":  {"data", ""},
		"[x.y]":   {"x.y"},
	} {
		if diff := cmp.Diff(want, decision.FieldPath(path).Segments()); diff != "" {
			t.Errorf("%q: %s", path, diff)
		}
	}
}

// A finding about an object as a whole is not about its template, nor the other way around.
func TestNothingIsWithinTheObjectAsAWhole(t *testing.T) {
	if decision.FieldPath("spec.template").Within("") || decision.FieldPath("").Within("spec") {
		t.Error("a field is within the empty path, or the empty path within a field")
	}
}

func TestStepsAddUpToThePath(t *testing.T) {
	for _, path := range []string{"", "spec", "a.b[0].c", "data[tls.crt]", ".a", "a[b", "[0][1].x", "a..b", "a[", "]", "[a]b"} {
		var whole strings.Builder
		for written := range decision.FieldPath(path).Steps() {
			whole.WriteString(written)
		}
		if whole.String() != path {
			t.Errorf("%q: the steps are %q", path, whole.String())
		}
	}
}

func TestFieldPathsAreBuiltAsTheyAreRead(t *testing.T) {
	path := decision.FieldPath("").Child("metadata").Child("labels").Child("app.kubernetes.io/name")
	if path != "metadata.labels[app.kubernetes.io/name]" {
		t.Errorf("got %s", path)
	}
	for _, name := range []string{"a", "", "a.b", "a/b", "a[0"} {
		path := decision.FieldPath("x").Child(name).Index(2)
		if diff := cmp.Diff([]string{"x", name, "2"}, path.Segments()); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestPointersEscape(t *testing.T) {
	path := decision.FieldPath("metadata.annotations[example.com/a~1].b[0]")
	if got := path.Pointer(); got != "/metadata/annotations/example.com~1a~01/b/0" {
		t.Errorf("got %s", got)
	}
	if diff := cmp.Diff(path.Segments(), path.Pointer().Segments()); diff != "" {
		t.Error(diff)
	}
	if segments := decision.Pointer("").Segments(); segments != nil {
		t.Errorf("the whole object has the segments %q", segments)
	}
}

// A path leads to its field in the object that it was derived from. In an object that has changed since, it
// leads nowhere rather than to another place, and never out of a list.
func TestAPathLeadsToItsFieldOrNowhere(t *testing.T) {
	object := map[string]any{"spec": map[string]any{
		"containers": []any{map[string]any{"name": "first"}, map[string]any{"name": "second"}, "no container"},
		"template":   map[string]any{"spec": map[string]any{"initContainers": []any{map[string]any{"name": "deep"}}}},
		"name":       "text",
	}}
	for path, want := range map[decision.FieldPath]any{
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
		"spec.containers[-1]":                  nil,
	} {
		container, _ := path.Of(object).(map[string]any)
		if got := container["name"]; got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

func TestWithinAPointer(t *testing.T) {
	for pointer, want := range map[decision.Pointer]bool{
		"/spec/a": true, "/spec/a/0": true, "/spec/ab": false, "/spec": false, "": false,
	} {
		if got := pointer.Within("/spec/a"); got != want {
			t.Errorf("%q: got %v", pointer, got)
		}
	}
}
