package rego

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// Findings and intents are read field by field, and errors about a field omit its value.
func TestFindingsAndIntentsAreReadFieldByField(t *testing.T) {
	r := &decision.Request{Object: map[string]any{}, Original: map[string]any{}}
	object := func(text string) any { return compile.FromAST(ast.MustParseTerm(text).Value) }
	got, err := newViolation(object(`{"msg": "m", "path": "p", "container": "c", "key": "k", "excess": 1.5, "at_most": "warn", "unknown": "u", "fix": [{"op": "remove", "path": "/x"}]}`), r)
	want := decision.Violation{
		Message: "m", Path: "p", Container: "c", Key: "k", Excess: "1.5", AtMost: decision.ModeWarn, Unknown: "u", Fix: []decision.PatchOperation{{Op: "remove", Path: "/x"}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got, err := newViolation(object(`{"msg": "m", "path": "spec.x"}`), r); err != nil || got.Key != "spec.x" || got.AtMost != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	intent, err := newIntent(object(`{"container": "c", "field": "resources.requests.cpu", "value": "1"}`))
	if diff := cmp.Diff(decision.Intent{Container: "c", Field: "resources.requests.cpu", Value: "1"}, intent); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for text, want := range map[string]string{
		`{"path": "p"}`: "a finding lacks msg or path", `{"msg": "m"}`: "a finding lacks msg or path", `{"msg": "", "path": "p"}`: "a finding lacks msg or path",
		`{"msg": 7, "path": "p"}`: "msg is a number, not a string", `{"msg": "m", "path": ["hunter2"]}`: "path is a array, not a string", `{"msg": "m", "path": "p", "container": null}`: "container is a null, not a string",
		`{"msg": "m", "path": "p", "key": true}`: "key is a boolean, not a string", `{"msg": "m", "path": "p", "unknown": {}}`: "unknown is a object, not a string",
		`{"msg": "m", "path": "p", "at_most": 1}`: "at_most is a number, not a string", `{"msg": "m", "path": "p", "excess": "1"}`: "excess is a string, not a number",
		`{"msg": "m", "path": "p", "at_most": "deny"}`: `at_most: unknown mode "deny": use audit, warn or enforce`, `{"msg": "m", "path": "p", "what": 1}`: `a finding has the unknown field "what"`,
		`{"msg": "m", "path": "p", 7: "hunter2"}`: `a finding has the unknown field "number"`, `{"msg": "m", "path": "p", ["hunter2"]: 1}`: `a finding has the unknown field "array"`,
		`{"msg": "m", "path": "p", "fix": [{"op": "move", "path": "/x"}]}`: `fix has the operation "move": use add, replace, remove or test`,
	} {
		if _, err := newViolation(object(text), r); err == nil || err.Error() != want {
			t.Errorf("%s: got %v", text, err)
		}
	}
	for text, want := range map[string]string{
		`{"field": "resources.requests.cpu", "value": "1"}`: "an intent lacks its container", `{"container": 7}`: "container is a number, not a string", `{"field": 7}`: "field is a number, not a string",
		`{"value": 7}`: "value is a number, not a string", `{"container": "c", "x": 7}`: `an intent has the unknown field "x"`,
		`{"container": "c", null: 7}`:                                               `an intent has the unknown field "null"`,
		`{"container": "c", "field": "image", "value": "1"}`:                        `"image" is not a field that can be filled in: use resources.requests.… or resources.limits.…`,
		`{"container": "c", "field": "resources.requests.cpu", "value": "hunter2"}`: "the value of an intent is not a quantity",
	} {
		if _, err := newIntent(object(text)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// Findings and intents are sorted, so that results can be compared.
func TestWhatPoliciesSayIsSorted(t *testing.T) {
	program, r := userProgram(t, `deny contains {"msg": m, "path": "p", "container": c, "key": k} if {
	some c in ["b", "a"]
	some k in ["y", "x"]
	some m in ["2", "1"]
}

inject contains {"container": c, "field": f, "value": v} if {
	some c in ["b", "a"]
	some f in ["resources.requests.cpu", "resources.limits.cpu"]
	some v in ["2", "1"]
}`)
	results, err := program.Evaluate(t.Context(), r, []int{0}, Both)
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	var said, wished []string
	for _, v := range results[0].Violations {
		said = append(said, v.Container+v.Key+v.Message)
	}
	for _, i := range results[0].Intents {
		wished = append(wished, i.Container+strings.TrimSuffix(strings.TrimPrefix(i.Field, "resources."), ".cpu")+i.Value)
	}
	if got := fmt.Sprint(said, wished); got != "[ax1 ax2 ay1 ay2 bx1 bx2 by1 by2] [alimits1 alimits2 arequests1 arequests2 blimits1 blimits2 brequests1 brequests2]" {
		t.Errorf("got %s", got)
	}
}

// The key of a list element contains its name, so the element is recognized after it has moved.
func TestKeysNameElements(t *testing.T) {
	object := map[string]any{"spec": map[string]any{
		"containers": []any{map[string]any{"name": "a", "ports": []any{map[string]any{"containerPort": int64(1)}}}, map[string]any{"name": "b"}}, "odd": "x",
	}}
	for path, want := range map[string]string{
		"spec.replicas": "spec.replicas", "spec.containers[0].image": "spec.containers[a].image", "spec.containers[1]": "spec.containers[b]", "spec.containers[2].image": "spec.containers[2].image",
		"spec.containers[-1].x": "spec.containers[-1].x", "spec.containers[x].y": "spec.containers[x].y", "spec.containers[0].ports[0].name": "spec.containers[a].ports[0].name",
		"spec.odd[0].x": "spec.odd[0].x", "metadata.labels[app]": "metadata.labels[app]", "spec.gone[0].x[1]": "spec.gone[0].x[1]", "[0]": "[0]",
	} {
		if got := stableKey(object, path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// A fix creates the parents that it needs, once, and nothing else.
func TestWhatAFixCreates(t *testing.T) {
	object := map[string]any{"spec": map[string]any{"list": []any{map[string]any{"a": nil}, "text"}, "text": "x", "a/b": map[string]any{}, "c~d": nil}}
	for pointer, want := range map[decision.Pointer]string{
		"/spec/x": "", "/spec/new/x": "/spec/new", "/spec/new/deep/x": "/spec/new /spec/new/deep", "/gone/x/y": "/gone /gone/x", "/spec/list/0/a/x": "/spec/list/0/a",
		"/spec/list/0/b/x": "/spec/list/0/b", "/spec/list/2/b/x": "", "/spec/list/-/b/x": "", "/spec/list/-1/b/x": "", "/spec/list/1/b/x": "", "/spec/text/b/x": "", "/spec/a~1b/x": "",
		"/spec/c~0d/x": "/spec/c~0d", "/x": "",
	} {
		created := map[decision.Pointer]bool{}
		var paths []string
		for _, operation := range missingParents(object, pointer, created) {
			if operation.Op != "add" || fmt.Sprint(operation.Value) != "map[]" {
				t.Errorf("%s: got %+v", pointer, operation)
			}
			paths = append(paths, operation.Path)
		}
		if got := strings.Join(paths, " "); got != want {
			t.Errorf("%s: got %s, want %s", pointer, got, want)
		}
		if again := missingParents(object, pointer, created); len(again) > 0 {
			t.Errorf("%s: created twice: %v", pointer, again)
		}
	}
}

// OPA's messages may quote the object, so errors omit them.
func TestErrorsQuoteNothing(t *testing.T) {
	limit, steps, other := &sandbox.LimitError{Reason: "r"}, &compile.BudgetError{Used: 1}, errors.New("ours")
	at := &ast.Location{File: "p.rego", Row: 7}
	for name, c := range map[string]struct{ err, want error }{
		"a limit":             {fmt.Errorf("x: %w", limit), limit},
		"steps":               {fmt.Errorf("x: %w", steps), steps},
		"OPA's":               {&topdown.Error{Code: "eval_conflict_error", Message: "hunter2", Location: at}, &RuleError{Code: "eval_conflict_error", File: "p.rego", Row: 7}},
		"OPA's, of no place":  {fmt.Errorf("x: %w", &topdown.Error{Code: "eval_conflict_error", Message: "hunter2"}), &RuleError{Code: "eval_conflict_error"}},
		"one of our own":      {other, other},
		"OPA's about a limit": {&topdown.Error{Code: "eval_builtin_error", Message: limit.Error()}, &RuleError{Code: "eval_builtin_error"}},
	} {
		if got := withoutValues(c.err); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
