package report

import (
	"strings"
	"testing"

	"taffrail.dev/webhook/manifest"
)

// mark marks the expected position in a text. It is removed before the text is parsed.
const mark = "▲"

func TestPosition(t *testing.T) {
	const image = "spec.containers[0].image"
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	tests := []struct{ name, path, text string }{
		{"a field", image, head + "spec:\n  containers:\n  - name: a\n    ▲image: b\n"},
		{"a field in flow style", image, head + "spec: {containers: [{name: a, ▲image: b}]}\n"},
		{"a field of a container is where its name is", "spec.containers[0].livenessProbe", head + "spec:\n  containers:\n  - image: b\n    # c\n    ▲name: a\n"},
		{"so is the container", "spec.containers[0]", head + "spec:\n  containers:\n  - image: b\n    ▲name: a\n"},
		{"an element without a name", "spec.tolerations[0].key", head + "spec:\n  tolerations:\n  - ▲operator: Exists\n"},
		{"an element that is no map", "spec.args[1]", head + "spec:\n  args:\n  - a\n  - ▲b\n"},
		{"the nearest that there is", "spec.containers[0].lifecycle.preStop.sleep", head + "spec:\n  containers:\n  - name: a\n    ▲lifecycle:\n      postStart: {}\n"},
		{"null", "spec.template.spec", head + "▲spec:\n"},
		{"nothing of it", "spec.template", "▲apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"},
		{"the object is not found by its name", "", "▲name: a\napiVersion: v1\nkind: ConfigMap\n"},
		{"a key with dots", "metadata.labels[app.kubernetes.io/name]", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels:\n    x: z\n    ▲app.kubernetes.io/name: a\n"},
		{"a missing key with dots", "metadata.labels[app.kubernetes.io/name]", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  ▲labels:\n    x: z\n"},

		{"comments above the document", image, "# a\n\n# b\n---\n# c\n" + head + "spec:\n  containers: [{▲image: b}]\n"},
		{"the first document", image, head + "spec:\n  containers: [{▲image: b}]\n---\n# nothing\n"},
		{"a later document", image, "a: 1\n---\n---\n# c\n\n" + head + "spec:\n  containers: [{▲image: b}]\n---\nb: 1\n"},
		{"content on the marker's line", image, "a: 1\n--- {apiVersion: v1, kind: ConfigMap, spec: {containers: [{▲image: b}]}}\n"},
		{"end markers and directives", image, "a: 1\n...\n%YAML 1.1\n---\n" + head + "spec:\n  containers: [{▲image: b}]\n"},
		{"a marker inside of text", image, "a: |\n  ---\n  b\n---\n" + head + "spec:\n  containers: [{▲image: b}]\n"},
		{"Windows line ends", image, strings.ReplaceAll("# a\na: 1\n---\n"+head+"spec:\n  x: |\n    1\n    2\n  containers:\n  - ▲image: b\n", "\n", "\r\n")},
		{"a byte order mark", image, "\ufeff" + head + "spec:\n  containers: [{▲image: b}]\n"},
		{"a byte order mark on the first line", image, "\ufeff{apiVersion: v1, kind: ConfigMap, spec: {containers: [{▲image: b}]}}\n"},
		{"text of several lines above", image, head + "spec:\n  x: \"a\n    b\n\n    c\"\n  y: >-\n    d\n\n    e\n  containers:\n  - ▲image: b\n"},
		{"columns are characters", image, head + "spec: {x: äöü😀, containers: [{▲image: b}]}\n"},

		{"an item of a List", image, "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  spec:\n    containers:\n    - ▲image: b\n"},
		{"nothing of an item of a List", "spec.x", "apiVersion: v1\nkind: List\nitems:\n- ▲apiVersion: v1\n  kind: ConfigMap\n"},
		{"an item of a List in a List of a later document", image, "a: 1\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMapList\n  items:\n  - spec:\n      containers:\n      - ▲image: b\n"},
		{"JSON", image, "{\n  \"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n  \"spec\": {\"containers\": [\n    {\"name\": \"a\", ▲\"image\": \"b\"}\n  ]}\n}\n"},
		{"JSON on one line", image, "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"spec\": {\"containers\": [{▲\"image\": \"b\"}]}}"},
		{"JSON in a row", image, "{\"a\":\n1}\n\n{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n\"spec\": {\"containers\": [{▲\"image\": \"b\"}]}}\n"},
		{"a JSON List", image, "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n \"spec\": {\"containers\": [{\"name\": \"a\",\n ▲\"image\": \"b\"}]}}]}\n"},

		{"an alias", image, head + "spec:\n  x: &x b\n  containers:\n  - ▲image: *x\n"},
		{"behind an alias", "spec.b.requests.cpu", head + "spec:\n  a: &x\n    requests:\n      ▲cpu: 1\n  b: *x\n"},
		{"nothing behind an alias", "spec.b.limits", head + "spec:\n  a: &x\n    requests: {}\n  ▲b: *x\n"},
		{"an element that is an alias", "spec.containers[1].image", head + "spec:\n  containers:\n  - &a\n    name: a\n  - ▲*a\n"},
		{"merged", image, head + "spec:\n  x: &x {▲image: b}\n  containers:\n  - name: a\n    <<: *x\n"},
		{"a merged name is that of others too", "spec.containers[0].image", head + "spec:\n  x: &x {name: a}\n  containers:\n  - ▲<<: *x\n"},
		{"an object that is an alias", image, "apiVersion: v1\nkind: List\nitems:\n- &a\n  apiVersion: v1\n  kind: ConfigMap\n  spec: {containers: [{▲image: b}]}\n- *a\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before, after, found := strings.Cut(test.text, mark)
			if !found {
				t.Fatal("no mark")
			}
			line := before[strings.LastIndex(before, "\n")+1:]
			want := position{Line: strings.Count(before, "\n") + 1, Column: len([]rune(strings.TrimPrefix(line, "\ufeff"))) + 1}
			var item manifest.Item
			for _, decoded := range manifest.Decode([]byte(before+after), "f") {
				if decoded.Object != nil {
					item = decoded
				}
			}
			o := Object{Source: item.Source, Item: item}
			if got := o.position(test.path); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestPositionWithoutDocument(t *testing.T) {
	o := Object{Source: manifest.Source{File: "f", Line: 3}}
	if got, want := o.position("spec"), (position{Line: 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
