package edit_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/yamldoc/edit"
)

// parsePatch parses a JSON Patch.
func parsePatch(t testing.TB, text string) []decision.PatchOperation {
	t.Helper()
	var patch []decision.PatchOperation
	if err := json.Unmarshal([]byte(text), &patch); err != nil {
		t.Fatal(err)
	}
	return patch
}

func fixed(t *testing.T, text, patch string, path decision.FieldPath) string {
	t.Helper()
	d, err := edit.New([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Patch(path, parsePatch(t, patch)); err != nil {
		t.Fatal(err)
	}
	result, err := d.Text()
	if err != nil {
		t.Fatal(err)
	}
	return string(result)
}

const preStop = `{"preStop": {"sleep": {"seconds": 5}}}`

func TestText(t *testing.T) {
	tests := []struct{ name, text, patch, want string }{
		{
			"a member behind the last",
			"spec:\n  containers:\n  - name: a\n    image: x # why\n    # ports: none\n\n  # the end\nlast: 1\n",
			`[{"op": "add", "path": "/spec/containers/0/lifecycle", "value": ` + preStop + `}]`,
			"spec:\n  containers:\n  - name: a\n    image: x # why\n    lifecycle:\n      preStop:\n        sleep:\n          seconds: 5\n    # ports: none\n\n  # the end\nlast: 1\n",
		},
		{
			"indentation by four, dashes indented",
			"spec:\n    containers:\n        - name: a\n          args: [\"-v\", 'x']\n",
			`[{"op": "add", "path": "/spec/containers/0/env", "value": [{"value": "1", "name": "A"}]}]`,
			"spec:\n    containers:\n        - name: a\n          args: [\"-v\", 'x']\n          env:\n              - name: A\n                value: \"1\"\n",
		},
		{
			"dashes not indented",
			"spec:\n  a:\n  - 1\n",
			`[{"op": "add", "path": "/spec/b", "value": ["x", {"c": [2]}, [3, []], {}]}]`,
			"spec:\n  a:\n  - 1\n  b:\n  - x\n  - c:\n    - 2\n  - - 3\n    - []\n  - {}\n",
		},
		{
			"an empty map is filled",
			"a:\n  lifecycle: {} # none yet\n  b: 1\n",
			`[{"op": "add", "path": "/a/lifecycle/preStop", "value": {"sleep": {"seconds": 5}}}]`,
			"a:\n  lifecycle: # none yet\n    preStop:\n      sleep:\n        seconds: 5\n  b: 1\n",
		},
		{
			"null is replaced",
			"a:\n  lifecycle: # none yet\n  b:\n",
			`[{"op": "add", "path": "/a/lifecycle", "value": ` + preStop + `}, {"op": "replace", "path": "/a/b", "value": 5}]`,
			"a:\n  lifecycle: # none yet\n    preStop:\n      sleep:\n        seconds: 5\n  b: 5\n",
		},
		{
			"scalars keep their quotes",
			"a: 'x' # c\nb: \"x\"\nc: x\nd:   x\ne: 5\n",
			`[{"op": "replace", "path": "/a", "value": "it's"}, {"op": "replace", "path": "/b", "value": "y"}, {"op": "replace", "path": "/c", "value": "yes"}, {"op": "replace", "path": "/d", "value": "y z"}, {"op": "replace", "path": "/e", "value": true}]`,
			"a: 'it''s' # c\nb: \"y\"\nc: \"yes\"\nd:   y z\ne: true\n",
		},
		{
			"scalars of several lines",
			"a: |\n  x\n  y\nb: >-\n  x\n\n  y\n\nc: \"x\n  y\"\nd: x\n  y\ne: |+ # c\n  x\n\n\nf: 1\n",
			`[{"op": "replace", "path": "/a", "value": "1"}, {"op": "replace", "path": "/b", "value": 2}, {"op": "replace", "path": "/c", "value": 3}, {"op": "replace", "path": "/d", "value": 4}, {"op": "replace", "path": "/e", "value": "5\n6\n"}]`,
			"a: \"1\"\nb: 2\n\nc: 3\nd: 4\ne: |\n  5\n  6\nf: 1\n",
		},
		{
			"a member behind a block scalar",
			"data:\n  a: |\n    x\n    # no comment\n\n  # a comment\nb: |-2\n     x\n  y\n",
			`[{"op": "add", "path": "/data/z", "value": "1"}, {"op": "add", "path": "/c", "value": "x\ny"}]`,
			"data:\n  a: |\n    x\n    # no comment\n  z: \"1\"\n\n  # a comment\nb: |-2\n     x\n  y\nc: |-\n  x\n  y\n",
		},
		{
			"a member behind a block scalar that keeps its blank lines",
			"data:\n  a: |+\n    x\n\n\nb: 1\n",
			`[{"op": "add", "path": "/data/z", "value": "1"}]`,
			"data:\n  a: |+\n    x\n\n\n  z: \"1\"\nb: 1\n",
		},
		{
			"members are removed",
			"# head\na: 1 # a\n# about b\nb:\n  c: 2\n  # about d\n  d: 3\n\ne: 4\n",
			`[{"op": "remove", "path": "/a"}, {"op": "remove", "path": "/b/c"}]`,
			"# head\n# about b\nb:\n  # about d\n  d: 3\n\ne: 4\n",
		},
		{
			"the last member is removed",
			"a: 1\nb:\n  c: 2 # c\n  # more\ne: {f: 1} # e",
			`[{"op": "remove", "path": "/b/c"}, {"op": "remove", "path": "/e"}]`,
			"a: 1\nb: {} # c\n  # more",
		},
		{
			"the first member of an element is removed",
			"- a: 1\n  b: 2\n-   a: 1 # one\n    # about b\n    b: 2\n- a: 1\n  b: 2\n  c: 3\n- a: 1\n",
			`[{"op": "remove", "path": "/0/a"}, {"op": "remove", "path": "/1/a"}, {"op": "remove", "path": "/2/a"}, {"op": "remove", "path": "/2/b"}, {"op": "remove", "path": "/3/a"}]`,
			"- b: 2\n-    # one\n    # about b\n    b: 2\n- c: 3\n- {}\n",
		},
		{
			"elements",
			"a:\n# about 1\n- 1 # one\n# about 2\n- 2\n# about 3\n- 3\n",
			`[{"op": "add", "path": "/a/-", "value": 4}, {"op": "remove", "path": "/a/1"}, {"op": "add", "path": "/a/0", "value": {"b": 0, "c": 0}}, {"op": "add", "path": "/a/2", "value": 2.5}]`,
			"a:\n# about 1\n- b: 0\n  c: 0\n- 1 # one\n# about 2\n- 2.5\n# about 3\n- 3\n- 4\n",
		},
		{
			"elements of elements",
			"- - 1\n  - 2\n- - 3\n",
			`[{"op": "remove", "path": "/0/0"}, {"op": "add", "path": "/1/0", "value": 0}, {"op": "add", "path": "/1/-", "value": 4}]`,
			"- - 2\n- - 0\n  - 3\n  - 4\n",
		},
		{
			"an element is replaced by what has lines",
			"- a # x\n-\n- c:\n    d: 1\n- # y\n  e: 1\n- f\n",
			`[{"op": "replace", "path": "/0", "value": {"x": 1, "z": 2}}, {"op": "replace", "path": "/1", "value": [1, 2]}, {"op": "replace", "path": "/2", "value": "d"}, {"op": "replace", "path": "/3", "value": "e"}]`,
			"- x: 1 # x\n  z: 2\n- - 1\n  - 2\n- d\n- e # y\n- f\n",
		},
		{
			"elements of one name are one",
			"c:\n# sidecar\n- name: b\n  image: x\n# main\n- name: a\n  image: y\n",
			`[{"op": "add", "path": "/c/0", "value": {"name": "new", "image": "z"}}, {"op": "replace", "path": "/c/1/image", "value": "x:1"}, {"op": "remove", "path": "/c/2/image"}]`,
			"c:\n# sidecar\n- name: new\n  image: z\n- name: b\n  image: x:1\n# main\n- name: a\n",
		},
		{
			"a block is replaced",
			"a: # x\n  # inner\n  b: 1\nc:\n- 1\n- 2\nd: 1\n",
			`[{"op": "replace", "path": "/a", "value": 1}, {"op": "replace", "path": "/c", "value": {"e": 1}}]`,
			"a: 1 # x\nc:\n  e: 1\nd: 1\n",
		},
		{
			"flow style",
			"a: {b: 1, c: [x, y]} # c\nd: [\n  1, # one\n  2\n]\ne: [{f: 1}]\n",
			`[{"op": "add", "path": "/a/g", "value": {"h": ["1", "a, b"]}}, {"op": "remove", "path": "/a/b"}, {"op": "add", "path": "/a/c/0", "value": "w"}, {"op": "remove", "path": "/a/c/2"}, {"op": "add", "path": "/d/-", "value": 3}, {"op": "add", "path": "/e/0/g", "value": null}]`,
			"a: {c: [w, x], g: {h: [\"1\", 'a, b']}} # c\nd: [\n  1, # one\n  2,\n  3\n]\ne: [{f: 1, g: null}]\n",
		},
		{
			"flow style is emptied and filled",
			"a: {b: 1}\nc: [1, 2]\nd: [[]]\n",
			`[{"op": "remove", "path": "/a/b"}, {"op": "remove", "path": "/c/0"}, {"op": "remove", "path": "/c/0"}, {"op": "add", "path": "/d/0/0", "value": {"x": 1}}]`,
			"a: {}\nc: []\nd: [[{x: 1}]]\n",
		},
		{
			"a pod on one line",
			"{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}\n",
			`[{"op": "add", "path": "/spec/containers/0/lifecycle", "value": ` + preStop + `}]`,
			"{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx, lifecycle: {preStop: {sleep: {seconds: 5}}}}]}}\n",
		},
		{
			"JSON on one line",
			`{"a":{"b":1,"c":[1,2]}}`,
			`[{"op": "add", "path": "/a/d", "value": ` + preStop + `}, {"op": "remove", "path": "/a/b"}, {"op": "add", "path": "/a/c/-", "value": "<3>"}]`,
			`{"a":{"c":[1,2,"<3>"],"d":{"preStop":{"sleep":{"seconds":5}}}}}`,
		},
		{
			"JSON with indentation",
			"{\n    \"a\": {\n        \"b\": 1,\n        \"c\": [\n            1\n        ],\n        \"d\": {}\n    },\n    \"e\": {\"f\": 1}\n}\n",
			`[{"op": "add", "path": "/a/d/x", "value": {"y": 1}}, {"op": "add", "path": "/a/c/-", "value": {"z": []}}, {"op": "remove", "path": "/a/b"}, {"op": "add", "path": "/e/g", "value": {"h": 1}}, {"op": "add", "path": "/i", "value": true}]`,
			"{\n    \"a\": {\n        \"c\": [\n            1,\n            {\n                \"z\": []\n            }\n        ],\n        \"d\": {\n            \"x\": {\n                \"y\": 1\n            }\n        }\n    },\n    \"e\": {\"f\": 1, \"g\": {\"h\": 1}},\n    \"i\": true\n}\n",
		},
		{
			"Windows line ends and no line end",
			"# c\r\na:\r\n  b: |\r\n    x\r\n    y\r\n  c: 1\r\nd:\r\n- 1",
			`[{"op": "add", "path": "/a/e", "value": {"f": 1}}, {"op": "add", "path": "/d/-", "value": {"x": 1, "z": 2}}, {"op": "remove", "path": "/a/c"}]`,
			"# c\r\na:\r\n  b: |\r\n    x\r\n    y\r\n  e:\r\n    f: 1\r\nd:\r\n- 1\r\n- x: 1\r\n  z: 2",
		},
		{
			"markers and a byte order mark",
			"\ufeff%YAML 1.1\n# c\n--- # d\n\na: 1\n...\n",
			`[{"op": "add", "path": "/b", "value": 2}]`,
			"\ufeff%YAML 1.1\n# c\n--- # d\n\na: 1\nb: 2\n...\n",
		},
		{
			"letters that take several bytes",
			"é: {ü: 'ß', a: b}\n名前:   \"x\"   # ñ\nz: [é,é, x]\n",
			`[{"op": "replace", "path": "/é/a", "value": "ö"}, {"op": "replace", "path": "/名前", "value": "y"}, {"op": "remove", "path": "/z/1"}]`,
			"é: {ü: 'ß', a: ö}\n名前:   \"y\"   # ñ\nz: [é,x]\n",
		},
		{
			"quoted and odd names",
			"metadata:\n  labels:\n    'a.b/c': x\n    \"d\": y # d\n",
			`[{"op": "replace", "path": "/metadata/labels/a.b~1c", "value": "z"}, {"op": "add", "path": "/metadata/labels/on", "value": "off"}, {"op": "add", "path": "/metadata/labels/1", "value": "1"}, {"op": "add", "path": "/metadata/labels/a: b", "value": "# c"}]`,
			"metadata:\n  labels:\n    'a.b/c': z\n    \"d\": y # d\n    \"1\": \"1\"\n    'a: b': '# c'\n    \"on\": \"off\"\n",
		},
		{
			"tests guard",
			"a: 1\nb: [x]\n",
			`[{"op": "test", "path": "/a", "value": 1.0}, {"op": "test", "path": "/b", "value": ["x"]}, {"op": "replace", "path": "/a", "value": 2}]`,
			"a: 2\nb: [x]\n",
		},
		{
			"what changes nothing changes nothing",
			"a:   1\nb: [ x ]\n\n\n",
			`[{"op": "replace", "path": "/a", "value": 1}, {"op": "add", "path": "/c", "value": 1}, {"op": "remove", "path": "/c"}]`,
			"a:   1\nb: [ x ]\n\n\n",
		},
		{
			"a root on no line of its own",
			"--- {a: 1}\n",
			`[{"op": "add", "path": "/b", "value": 2}]`,
			"--- {a: 1, b: 2}\n",
		},
		{
			"tags",
			"a: !!str 5\nb: !!map\n  c: 1\nd: !!seq [1]\n",
			`[{"op": "replace", "path": "/a", "value": 6}, {"op": "add", "path": "/b/d", "value": 2}, {"op": "add", "path": "/d/-", "value": 2}]`,
			"a: 6\nb: !!map\n  c: 1\n  d: 2\nd: !!seq [1, 2]\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, fixed(t, test.text, test.patch, "")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An edit changes only the intended place, even if other places share its text.
func TestSharedText(t *testing.T) {
	tests := []struct{ name, text, patch, want string }{
		{
			"under an alias",
			"a: &x # shared\n  b: 1\n  c: 'q'\nd: *x # here\ne: *x\n",
			`[{"op": "add", "path": "/d/z", "value": 2}]`,
			"a: &x # shared\n  b: 1\n  c: 'q'\nd: # here\n  b: 1\n  c: 'q'\n  z: 2\ne: *x\n",
		},
		{
			"under the anchor",
			"a: &x\n  b: 1\nc: *x\nd: [*x]\n",
			`[{"op": "add", "path": "/a/z", "value": 2}]`,
			"a: &x\n  b: 1\n  z: 2\nc:\n  b: 1\nd: [{b: 1}]\n",
		},
		{
			"under both",
			"a: &x {b: 1}\nc: *x\n",
			`[{"op": "add", "path": "/a/z", "value": 2}, {"op": "add", "path": "/c/z", "value": 2}]`,
			"a: &x {b: 1, z: 2}\nc: *x\n",
		},
		{
			"a scalar that others use",
			"a: &img nginx\nb: *img\nc: *img\n",
			`[{"op": "replace", "path": "/a", "value": "nginx:1"}, {"op": "replace", "path": "/b", "value": "nginx:1"}]`,
			"a: &img nginx:1\nb: *img\nc: nginx\n",
		},
		{
			"an anchor is removed",
			"a: &x {b: &y [1]}\nc: *x\nd: *y\n",
			`[{"op": "remove", "path": "/a"}]`,
			"c:\n  b:\n  - 1\nd:\n- 1\n",
		},
		{
			"next to a merge key",
			"a: &x\n  b: 1\n  r: {s: 1}\nc:\n  <<: *x # defaults\n  d: 1\ne:\n  <<: *x\n",
			`[{"op": "replace", "path": "/c/b", "value": 2}, {"op": "add", "path": "/e/r/t", "value": 2}, {"op": "add", "path": "/e/f", "value": 3}]`,
			"a: &x\n  b: 1\n  r: {s: 1}\nc:\n  <<: *x # defaults\n  d: 1\n  b: 2\ne:\n  <<: *x\n  f: 3\n  r:\n    s: 1\n    t: 2\n",
		},
		{
			"under what is merged",
			"a: &x\n  b: 1\nc:\n  <<: *x\n",
			`[{"op": "add", "path": "/a/z", "value": 2}]`,
			"a: &x\n  b: 1\n  z: 2\nc:\n  b: 1\n",
		},
		{
			"a merged member is removed",
			"a: &x {b: 1, c: 2}\nd:\n  # first\n  <<: *x\n  e: 3\n",
			`[{"op": "remove", "path": "/d/b"}]`,
			"a: &x {b: 1, c: 2}\nd:\n  # first\n  e: 3\n  c: 2\n",
		},
		{
			"a member over a merged one is removed",
			"a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3\n  e: 3\n",
			`[{"op": "remove", "path": "/d/b"}]`,
			"a: &x {b: 1, c: 2}\nd:\n  e: 3\n  c: 2\n",
		},
		{
			"what is merged below a member wins over it",
			"a: &x {b: 1}\nd:\n  b: 2\n  <<: *x\n",
			`[{"op": "replace", "path": "/d/b", "value": 3}]`,
			"a: &x {b: 1}\nd:\n  b: 3\n",
		},
		{
			"elements that are aliases",
			"items:\n- &p\n  kind: Pod\n- *p # same\n- <<: *p\n  name: c\n",
			`[{"op": "add", "path": "/items/1/x", "value": 1}]`,
			"items:\n- &p\n  kind: Pod\n- kind: Pod # same\n  x: 1\n- <<: *p\n  name: c\n",
		},
		{
			"one anchor name, twice",
			"a: &x 1\nb: *x\nc: &x 2\nd: *x\n",
			`[{"op": "replace", "path": "/c", "value": 3}]`,
			"a: &x 1\nb: *x\nc: &x 3\nd: 2\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, fixed(t, test.text, test.patch, "")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A document that cannot be edited without touching other lines stays unchanged.
func TestUnwritable(t *testing.T) {
	for name, test := range map[string]struct{ text, patch string }{
		"an explicit key": {
			"# head\n---\n# c\n? a\n: 1\nc:   [x,   y] # d\n...\n", `[{"op": "add", "path": "/a", "value": {"e": [1]}}]`,
		},
		"a pair in a sequence":            {"a: [b: 1]\n", `[{"op": "add", "path": "/a/0/c", "value": 2}]`},
		"a block scalar without an end":   {"a: |\n  x", `[{"op": "add", "path": "/b", "value": 2}]`},
		"an anchor of a value with a tag": {"- &h !!str i\n- *h\n", `[{"op": "replace", "path": "/0", "value": true}]`},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := edit.New([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Patch("", parsePatch(t, test.patch)); err != nil {
				t.Fatal(err)
			}
			if text, err := d.Text(); !errors.Is(err, edit.ErrUnwritable) {
				t.Errorf("got %q, %v", text, err)
			}
		})
	}
}

func TestObjectOfList(t *testing.T) {
	got := fixed(t, "kind: List\nitems:\n- a: 1\n- a: 2\n", `[{"op": "replace", "path": "/a", "value": 3}]`, "items[1]")
	if want := "kind: List\nitems:\n- a: 1\n- a: 3\n"; got != want {
		t.Error(cmp.Diff(want, got))
	}
}

func TestPatchErrors(t *testing.T) {
	tests := []struct {
		patch string
		want  error
	}{
		{`[{"op": "add", "path": "/b/c", "value": 1}]`, edit.ErrMissing},
		{`[{"op": "add", "path": "/a/c", "value": 1}]`, edit.ErrMissing},
		{`[{"op": "replace", "path": "/b", "value": 1}]`, edit.ErrMissing},
		{`[{"op": "remove", "path": "/b"}]`, edit.ErrMissing},
		{`[{"op": "remove", "path": "/l/1"}]`, edit.ErrMissing},
		{`[{"op": "remove", "path": "/l/-"}]`, edit.ErrMissing},
		{`[{"op": "add", "path": "/l/2", "value": 1}]`, edit.ErrMissing},
		{`[{"op": "add", "path": "/l/x", "value": 1}]`, edit.ErrMissing},
		{`[{"op": "test", "path": "/a", "value": "hunter"}]`, edit.ErrDifferent},
		{`[{"op": "test", "path": "/b", "value": 1}]`, edit.ErrDifferent},
		{`[{"op": "move", "path": "/b", "from": "/a"}]`, edit.ErrOperation},
		{`[{"op": "copy", "path": "/b", "from": "/a"}]`, edit.ErrOperation},
		{`[{"op": "remove", "path": ""}]`, nil},
		{`[{"op": "add", "path": "b", "value": 1}]`, nil},
		{`[{"op": "replace", "path": "/a", "value": 2}, {"op": "remove", "path": "/b"}]`, edit.ErrMissing},
	}
	const text = "a: hunter2\nl: [1]\n"
	for _, test := range tests {
		t.Run(test.patch, func(t *testing.T) {
			d, err := edit.New([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			err = d.Patch("", parsePatch(t, test.patch))
			if patchErr := new(edit.PatchError); !errors.As(err, &patchErr) || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if strings.Contains(err.Error(), "hunter") {
				t.Errorf("the error quotes a value: %v", err)
			}
			// If one operation fails, none is applied.
			if got, err := d.Text(); err != nil || string(got) != text {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
