package pipeline

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

func TestEqualFindingsAreOneUnderTheStrictestMode(t *testing.T) {
	d := decideOn(t, evidenceOf(t, service(decision.Create),
		asked{guardrail: "z", mode: decision.ModeWarn, result: violation("k")},
		asked{guardrail: "a", mode: decision.ModeEnforce, result: violation("k")},
		asked{guardrail: "m", mode: decision.ModeAudit, result: violation("other")},
	))
	if len(d.Findings) != 2 || d.Verdict != decision.VerdictDeny {
		t.Fatalf("got %+v", d)
	}
	if diff := cmp.Diff([]string{"a", "z"}, d.Findings[0].Guardrails); diff != "" || d.Findings[0].Mode != decision.ModeEnforce {
		t.Errorf("got %+v", d.Findings[0])
	}
}

// Adding a Guardrail never loosens anything.
func TestAddingAGuardrailNeverLoosens(t *testing.T) {
	order := map[decision.Verdict]int{decision.VerdictAllow: 0, decision.VerdictWarn: 1, decision.VerdictUnknown: 2, decision.VerdictDeny: 3}
	draw := func(t *rapid.T, name string) asked {
		return asked{
			guardrail: name,
			mode:      rapid.SampledFrom([]decision.Mode{decision.ModeAudit, decision.ModeWarn, decision.ModeEnforce}).Draw(t, "mode"),
			result:    violation(rapid.SampledFrom([]string{"k", "l"}).Draw(t, "key")),
			uncertain: rapid.Bool().Draw(t, "uncertain"),
			existing:  rapid.SampledFrom([]v1alpha1.Existing{"", v1alpha1.ExistingTolerate, v1alpha1.ExistingEnforce}).Draw(t, "existing"),
		}
	}
	property.Check(t, func(t *rapid.T) {
		before := decision.Result{}
		if rapid.Bool().Draw(t, "had it") {
			before = violation("k")
		}
		run := func(all ...asked) decision.Verdict {
			e := evidenceOf(t, service(decision.Update), all...)
			updates(&e, before)
			d, err := e.decide()
			if err != nil {
				t.Fatal(err)
			}
			return d.Verdict
		}
		first, second, third := draw(t, "a"), draw(t, "b"), draw(t, "c")
		few, more := run(first, second), run(first, second, third)
		if order[more] < order[few] {
			t.Fatalf("%v became %v", few, more)
		}
		if swapped := run(third, second, first); swapped != more {
			t.Fatalf("the order of Guardrails matters: %v and %v", more, swapped)
		}
	})
}

// A decision of two parts has the worst of both, each finding once and for all that ask.
func TestPartsOfADecisionAreJoined(t *testing.T) {
	finding := func(key, asking string, mode decision.Mode) decision.Finding {
		return decision.Finding{Policy: "p", Key: key, Guardrails: []string{asking}, Mode: mode}
	}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		one, other decision.Decision
		want       decision.Decision
	}{
		"another finding": {
			decision.Decision{Findings: []decision.Finding{finding("a", "g", decision.ModeWarn)}, Unbound: true},
			decision.Decision{Findings: []decision.Finding{finding("b", "g", decision.ModeEnforce)}, Errors: map[string]error{"q": broken}},
			decision.Decision{
				Findings: []decision.Finding{finding("b", "g", decision.ModeEnforce), finding("a", "g", decision.ModeWarn)},
				Errors:   map[string]error{"q": broken}, Verdict: decision.VerdictDeny,
			},
		},
		"a stricter one": {
			decision.Decision{Findings: []decision.Finding{finding("a", "h", decision.ModeWarn)}, Errors: map[string]error{"p": broken}},
			decision.Decision{Findings: []decision.Finding{finding("a", "g", decision.ModeEnforce)}, Errors: map[string]error{"q": broken}},
			decision.Decision{
				Findings: []decision.Finding{{Policy: "p", Key: "a", Guardrails: []string{"g", "h"}, Mode: decision.ModeEnforce}},
				Errors:   map[string]error{"p": broken, "q": broken}, Verdict: decision.VerdictDeny,
			},
		},
		"nothing": {
			decision.Decision{Findings: []decision.Finding{finding("a", "h", decision.ModeAudit)}, Unbound: true}, decision.Decision{Unbound: true},
			decision.Decision{Findings: []decision.Finding{finding("a", "h", decision.ModeAudit)}, Unbound: true, Verdict: decision.VerdictAllow},
		},
	} {
		got := c.one
		join(&got, &c.other)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
