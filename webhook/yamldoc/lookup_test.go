package yamldoc_test

import (
	"testing"

	"go.yaml.in/yaml/v3"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc"
)

const manifest = `# a comment
kind: Deployment
metadata:
  labels:
    app.kubernetes.io/name: web
spec:
  resources: &small
    requests:
      cpu: 100m
  containers:
  - name: a
    resources: *small
  - &b
    name: b
    resources:
      <<: *small
      limits: {cpu: 1}
  - <<: [{image: first}, *b]
    name: c
    image: own
  - name: d
    <<: {name: merged}
  - *b
`

func lineOf(place yamldoc.Place) int {
	if place.Key != nil {
		return place.Key.Line
	}
	return place.Value.Line
}

func TestLookup(t *testing.T) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(manifest), &root); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path        string
		line, depth int
		key, value  string
	}{
		{"", 2, 0, "", ""},
		{"kind", 2, 1, "kind", "Deployment"},
		{"metadata.labels[app.kubernetes.io/name]", 5, 3, "app.kubernetes.io/name", "web"},
		{"spec.containers[0]", 11, 3, "", ""},
		{"spec.containers[0].name", 11, 4, "name", "a"},
		{"spec.containers[0].resources", 12, 4, "resources", "small"},
		{"spec.containers[0].resources.requests.cpu", 9, 6, "cpu", "100m"},
		{"spec.containers[1]", 13, 3, "", ""},
		{"spec.containers[1].name", 14, 4, "name", "b"},
		{"spec.containers[1].resources.requests.cpu", 9, 6, "cpu", "100m"},
		{"spec.containers[1].resources.limits.cpu", 17, 6, "cpu", "1"},
		{"spec.containers[2].name", 19, 4, "name", "c"},
		{"spec.containers[2].image", 20, 4, "image", "own"},
		{"spec.containers[2].resources.limits", 17, 5, "limits", ""},
		// kubectl prefers a merged member to one of the same name above it.
		{"spec.containers[3].name", 22, 4, "name", "merged"},
		{"spec.containers[4]", 23, 3, "", "b"},
		{"spec.containers[4].name", 14, 4, "name", "b"},
		// A missing field is located at its nearest existing parent.
		{"spec.containers[0].livenessProbe.httpGet", 11, 3, "", ""},
		{"spec.containers[9].name", 10, 2, "containers", ""},
		{"spec.containers[-1]", 10, 2, "containers", ""},
		{"spec.containers.name", 10, 2, "containers", ""},
		{"spec.resources[<<]", 7, 2, "resources", ""},
		{"kind.x", 2, 1, "kind", "Deployment"},
		{"missing", 2, 0, "", ""},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			place, depth := yamldoc.Lookup(&root, decision.FieldPath(test.path).Segments())
			key := ""
			if place.Key != nil {
				key = place.Key.Value
			}
			if lineOf(place) != test.line || depth != test.depth || key != test.key || place.Value.Value != test.value {
				t.Errorf("line %d, depth %d, key %q, value %q; want %+v", lineOf(place), depth, key, place.Value.Value, test)
			}
		})
	}
}

// A caller need not have rejected nodes that merge themselves.
func TestLookupInItself(t *testing.T) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte("a: &a\n  <<: *a\n  b: 1\n"), &root); err != nil {
		t.Fatal(err)
	}
	if _, depth := yamldoc.Lookup(&root, []string{"a", "c"}); depth != 1 {
		t.Errorf("depth %d", depth)
	}
}

// LineOf returns the line of the value that kubectl sends.
func TestLineOfIsThatOfTheValue(t *testing.T) {
	text := "base: &base\n  image: merged\nspec:\n  replicas: 1\n  replicas: 2\n  image: own\n  <<: *base\n  labels: {a.b/c: d}\n"
	doc, err := yamldoc.ParseManifest(yamldoc.Chunk{Line: 1, Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		line  int
		value any
	}{
		"spec.replicas":      {5, int64(2)},
		"spec.image":         {2, "merged"},
		"spec.labels[a.b/c]": {8, "d"},
	} {
		if line, value := doc.LineOf(path), decision.FieldPath(path).Of(doc.Value); line != want.line || value != want.value {
			t.Errorf("%s: line %d of %v, want %+v", path, line, value, want)
		}
	}
}
