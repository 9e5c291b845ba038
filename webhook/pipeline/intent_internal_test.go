package pipeline

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/engine"
	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/mutate"
	"taffrail.dev/webhook/normalize"
	"taffrail.dev/webhook/review"
)

// An intent that nobody can inject fails the decision instead of being left out of it, also
// where it is only told what would be filled.
func TestAnIntentThatCannotBeInjectedIsAnError(t *testing.T) {
	r, err := normalize.Manifest(exampleOf(schema.GroupKind{Kind: "Pod"}), "default")
	if err != nil {
		t.Fatal(err)
	}
	for name, intent := range map[string]review.Intent{
		"no such field": {Container: "main", Field: "resources.claims", Value: "1"},
		"no quantity":   {Container: "main", Field: "resources.requests.cpu", Value: "much"},
	} {
		bounds := []guardrail.Bound{{
			Binding:   guardrail.Binding{Policy: &engine.Policy{ID: "p", Mutates: true}, Mode: review.ModeWarn},
			Guardrail: &guardrail.Guardrail{Name: "g"},
		}}
		results := []review.Result{{Intents: []review.Intent{intent}}}
		s := &Snapshot{}
		want := func(what string, err error) {
			t.Helper()
			if intent := new(mutate.IntentError); !errors.As(err, &intent) || intent.Policy != "p" {
				t.Errorf("%s, %s: got %v", name, what, err)
			}
		}
		_, err := s.wouldFill(t.Context(), r, bounds, results, mutate.Plan{}, nil)
		want("what would be filled", err)
		_, err = s.existingOf(r, &Options{}).plan(t.Context(), r, bounds, results, nil)
		want("what is filled", err)
	}
}
