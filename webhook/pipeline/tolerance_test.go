package pipeline

import (
	"testing"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

func TestATolerantGuardrailSoftensNoOther(t *testing.T) {
	e := evidenceOf(t, service(decision.Update),
		asked{guardrail: "kind", mode: decision.ModeEnforce, result: violation("k"), existing: v1alpha1.ExistingTolerate},
		asked{guardrail: "strict", mode: decision.ModeEnforce, result: violation("k"), existing: v1alpha1.ExistingEnforce})
	updates(&e, violation("k"))
	if d := decideOn(t, e); d.Verdict != decision.VerdictDeny {
		t.Errorf("got %v", d.Verdict)
	}
}

// What is restored is tolerated, field by field, and asked for only where it matters.
func TestWhatIsRestoredIsTolerated(t *testing.T) {
	before := existingFields{why: "as before", fields: []decision.FieldPath{"spec.template"}}
	for name, test := range map[string]struct {
		path     string
		existing v1alpha1.Existing
		want     decision.Verdict
	}{
		"the field":              {"spec.template", v1alpha1.ExistingTolerate, decision.VerdictWarn},
		"whatever exists":        {"spec.template", v1alpha1.ExistingEnforce, decision.VerdictWarn},
		"another field":          {"spec.replicas", v1alpha1.ExistingTolerate, decision.VerdictDeny},
		"another field, by rule": {"spec.replicas", v1alpha1.ExistingEnforce, decision.VerdictDeny},
	} {
		e := evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeEnforce, result: violation(test.path), existing: test.existing})
		e.existing = before
		if d := decideOn(t, e); d.Verdict != test.want || (d.Findings[0].Tolerated == "as before") != (test.want == decision.VerdictWarn) {
			t.Errorf("%s: got %+v", name, d)
		}
	}

	e := evidenceOf(t, service(decision.Update),
		asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("spec.replicas")},
		asked{guardrail: "g", mode: decision.ModeWarn, result: violation("spec.template")})
	e.existing = before
	if d := decideOn(t, e); d.Findings[1].Tolerated != "" {
		t.Errorf("what only warns needs no tolerance, but got %+v", d.Findings)
	}

	e = evidenceOf(t, service(decision.Update), asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("k")})
	if candidates, err := e.compared(); !anyDenies(candidates) || err != nil {
		t.Errorf("what is new may be in the cluster, but got %+v, %v", candidates, err)
	}
	updates(&e, violation("k"))
	if candidates, err := e.compared(); anyDenies(candidates) || err != nil {
		t.Errorf("what the stored object has needs no look at the cluster, but got %+v, %v", candidates, err)
	}
	if d := decideOn(t, e); d.Verdict != decision.VerdictWarn {
		t.Errorf("got %v", d.Verdict)
	}
}
