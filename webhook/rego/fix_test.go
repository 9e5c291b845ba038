package rego

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
)

func fixOf(text string) any { return compile.FromAST(ast.MustParseTerm(text).Value) }

func TestFixCreatesMissingParents(t *testing.T) {
	original := map[string]any{"metadata": map[string]any{"labels": nil}, "spec": map[string]any{"items": []any{map[string]any{}}, "text": "x"}}
	object := map[string]any{}
	for name, test := range map[string]struct {
		fix  string
		want []decision.PatchOperation
	}{
		"nothing is missing": {`[{"op": "add", "path": "/spec/replicas", "value": 2}]`,
			[]decision.PatchOperation{{Op: "add", Path: "/spec/replicas", Value: 2.0}}},
		"null is missing": {`[{"op": "add", "path": "/metadata/labels/app.kubernetes.io~1name", "value": "a"}]`,
			[]decision.PatchOperation{{Op: "add", Path: "/metadata/labels", Value: object}, {Op: "add", Path: "/metadata/labels/app.kubernetes.io~1name", Value: "a"}}},
		"two levels, once": {`[{"op": "add", "path": "/spec/a/b/c", "value": 1}, {"op": "add", "path": "/spec/a/b/d", "value": 1}]`,
			[]decision.PatchOperation{
				{Op: "add", Path: "/spec/a", Value: object}, {Op: "add", Path: "/spec/a/b", Value: object},
				{Op: "add", Path: "/spec/a/b/c", Value: 1.0}, {Op: "add", Path: "/spec/a/b/d", Value: 1.0},
			}},
		"inside an element": {`[{"op": "add", "path": "/spec/items/0/lifecycle/preStop", "value": 1}]`,
			[]decision.PatchOperation{{Op: "add", Path: "/spec/items/0/lifecycle", Value: object}, {Op: "add", Path: "/spec/items/0/lifecycle/preStop", Value: 1.0}}},
		"no element is made": {`[{"op": "add", "path": "/spec/items/1/a", "value": 1}]`,
			[]decision.PatchOperation{{Op: "add", Path: "/spec/items/1/a", Value: 1.0}}},
		"others create nothing": {`[{"op": "remove", "path": "/spec/a/b"}]`, []decision.PatchOperation{{Op: "remove", Path: "/spec/a/b"}}},
	} {
		got, err := newFix(fixOf(test.fix), original)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, fix := range map[string]string{
		"a move":  `[{"op": "move", "from": "/spec/text", "path": "/spec/other"}]`,
		"no list": `{"op": "add"}`,
	} {
		if got, err := newFix(fixOf(fix), original); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A fix that is read from values of Rego is the one that a decoder reads from their JSON.
func TestAFixIsWhatItsJSONIs(t *testing.T) {
	for fix, direct := range map[string]bool{
		`[{"op": "add", "path": "/spec/replicas", "value": 2}]`:                                                                  true,
		`[{"op": "replace", "path": "", "value": {"a": [1, 2.50, 1e3, -0, null, true, {"b": "é"}], "n": 12345678901234567890}}]`: true,
		`[{"op": "remove", "path": "/a"}, {"op": "test", "path": "/b", "value": null}]`:                                          true,
		`[]`: true,
		`[{"op": "remove", "from": "/b", "path": "/a"}]`: false,
		`[{"OP": "remove", "Path": "/a"}]`:               false,
		`[{"op": "remove"}]`:                             false,
		`[{"op": "add", "path": "/a", "value": {1, 2}}]`: false,
		`[{"op": "add", "path": "/a", "value": {1: 2}}]`: false,
		`[{"op": "add", "path": "/a", "value": 1e999}]`:  false,
		`[{"op": 7, "path": "/a"}]`:                      false,
		`[{"op": "add", "path": ["/a"]}]`:                false,
		`["add"]`:                                        false,
		`{{"op": "remove", "path": "/a"}}`:               false,
		`null`:                                           false,
		`"text"`:                                         false,
	} {
		got, ok := operationsOf(fixOf(fix))
		if ok != direct {
			t.Errorf("%s: read directly: %v", fix, ok)
		}
		want, err := decodedOperations(fixOf(fix))
		if ok && err != nil {
			t.Errorf("%s is read directly, but: %v", fix, err)
		}
		if ok && !cmp.Equal(got, want) {
			t.Errorf("%s: %s", fix, cmp.Diff(want, got))
		}
	}
}
