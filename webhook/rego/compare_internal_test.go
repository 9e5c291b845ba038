package rego

import (
	"context"
	"errors"
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// Both engines may be the one in doubt.
func TestEnginesAreCompared(t *testing.T) {
	program, r := userProgram(t, `deny contains {"msg": "m", "path": "data", "fix": [{"op": "add", "path": "/data", "value": {"n": 1.5}}]} if input.object.kind == "ConfigMap"`)
	for _, engine := range []Engine{EngineCompiled, EngineTopdown} {
		program := program.WithEngine(engine)
		results, err := program.Evaluate(t.Context(), r, []int{0}, Both)
		if err != nil || len(results[0].Violations) != 1 {
			t.Fatal(results, err)
		}
		for name, c := range map[string]struct {
			change func(*decision.Result)
			same   bool
		}{
			"nothing":           {func(*decision.Result) {}, true},
			"an empty list":     {func(result *decision.Result) { result.Intents = []decision.Intent{} }, true},
			"another message":   {func(result *decision.Result) { result.Violations[0].Message = "n" }, false},
			"another fix":       {func(result *decision.Result) { result.Violations[0].Fix = nil }, false},
			"one finding less":  {func(result *decision.Result) { result.Violations = nil }, false},
			"one intent more":   {func(result *decision.Result) { result.Intents = []decision.Intent{{Container: "c"}} }, false},
			"one engine failed": {func(result *decision.Result) { *result = decision.Result{Err: errors.New("conflict")} }, false},
		} {
			changed := []decision.Result{results[0]}
			changed[0].Violations = append([]decision.Violation{}, results[0].Violations...)
			c.change(&changed[0])
			compared, err := program.Compare(t.Context(), r, []int{0}, Both, changed)
			if err != nil || len(compared) != 1 || compared[0] != (Comparison{Policy: "p", Same: c.same}) {
				t.Errorf("%s, %s: got %+v, %v", engine, name, compared, err)
			}
		}
	}
}

// What an engine has stopped is no difference: steps are counted differently. Nor is what only one can evaluate, or what
// is about another kind.
func TestOnlyWhatBothEnginesCanDecideIsCompared(t *testing.T) {
	program, r := userProgram(t, `deny contains {"msg": "m", "path": "p"}`)
	for _, limit := range []error{&compile.BudgetError{}, &sandbox.LimitError{}, sandbox.ErrNoTime} {
		stopped := []decision.Result{{Err: &EvaluationError{Policy: "p", Err: limit}}}
		if compared, err := program.Compare(t.Context(), r, []int{0}, Both, stopped); len(compared) > 0 || err != nil {
			t.Errorf("%v: got %+v, %v", limit, compared, err)
		}
	}
	endless, _ := userProgram(t, expensive)
	if compared, err := endless.Compare(t.Context(), r, []int{0}, Both, make([]decision.Result, 1)); len(compared) > 0 || err != nil {
		t.Errorf("got %+v, %v", compared, err)
	}
	other := *r
	other.Kind.Kind = "Service"
	if compared, err := program.Compare(t.Context(), &other, []int{0}, Both, make([]decision.Result, 1)); len(compared) > 0 || err != nil {
		t.Errorf("got %+v, %v", compared, err)
	}
	program.instances[0].compiled = func() (*compiledPolicy, error) { return nil, errors.New("cannot be compiled") }
	if compared, err := program.Compare(t.Context(), r, []int{0}, Both, make([]decision.Result, 1)); len(compared) > 0 || err != nil {
		t.Errorf("got %+v, %v", compared, err)
	}
}

func TestAComparisonEndsWithItsContext(t *testing.T) {
	program, r := userProgram(t, `deny contains {"msg": "m", "path": "p"}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := program.Compare(ctx, r, []int{0}, Both, make([]decision.Result, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
