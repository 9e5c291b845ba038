package pipeline

import (
	"errors"
	"testing"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

// An intent that cannot be injected fails the decision instead of being dropped, even if it only reports what
// would be filled.
func TestAnIntentThatCannotBeInjectedIsAnError(t *testing.T) {
	r, err := request.Manifest(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p"},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "main:1"}}},
	}, "default")
	if err != nil {
		t.Fatal(err)
	}
	for name, intent := range map[string]decision.Intent{
		"no such field": {Container: "main", Field: "resources.claims", Value: "1"},
		"no quantity":   {Container: "main", Field: "resources.requests.cpu", Value: "much"},
	} {
		bounds := []config.AppliedBinding{{
			Binding:   config.Binding{Policy: &rego.Policy{ID: "p", Mutates: true}, Mode: decision.ModeWarn},
			Guardrail: &config.Guardrail{Name: "g"},
		}}
		results := []decision.Result{{Intents: []decision.Intent{intent}}}
		p := New(&config.Snapshot{}, nil, Options{})
		want := func(what string, err error) {
			t.Helper()
			if intent := new(intentError); !errors.As(err, &intent) || intent.Policy != "p" {
				t.Errorf("%s, %s: got %v", name, what, err)
			}
		}
		_, err := p.wouldFill(t.Context(), r, bounds, results, injectionPlan{}, nil)
		want("what would be filled", err)
		_, err = p.plannerFor(r).plan(t.Context(), r, bounds, results, nil)
		want("what is filled", err)
	}
}
