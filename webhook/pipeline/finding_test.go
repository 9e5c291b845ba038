package pipeline

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

func TestModesDecide(t *testing.T) {
	for mode, want := range map[decision.Mode]decision.Verdict{
		decision.ModeEnforce: decision.VerdictDeny, decision.ModeWarn: decision.VerdictWarn, decision.ModeAudit: decision.VerdictAllow,
	} {
		if d := decideOn(t, evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: mode, result: violation("k")})); d.Verdict != want {
			t.Errorf("%v: got %v", mode, d.Verdict)
		}
	}
	if d := decideOn(t, evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeEnforce})); d.Verdict != decision.VerdictAllow {
		t.Errorf("nothing found: got %v", d.Verdict)
	}
}

func TestWhatWouldBeDenied(t *testing.T) {
	atMost := violation("new")
	atMost.Violations[0].AtMost = decision.ModeWarn
	unknown := violation("new")
	unknown.Violations[0].Unknown = "no LimitRange"
	for name, test := range map[string]struct {
		asked asked
		want  bool
	}{
		"enforced":                  {asked{mode: decision.ModeEnforce, result: violation("new")}, true},
		"warned":                    {asked{mode: decision.ModeWarn, result: violation("new")}, true},
		"audited":                   {asked{mode: decision.ModeAudit, result: violation("new")}, true},
		"never enforced":            {asked{mode: decision.ModeAudit, held: true, result: violation("new")}, false},
		"had it":                    {asked{mode: decision.ModeAudit, result: violation("old")}, false},
		"had it and may not":        {asked{mode: decision.ModeAudit, result: violation("old"), existing: v1alpha1.ExistingEnforce}, true},
		"never more than a warning": {asked{mode: decision.ModeWarn, result: atMost}, false},
		"unknown":                   {asked{mode: decision.ModeWarn, result: unknown}, false},
		"by a trusted writer":       {asked{mode: decision.ModeWarn, result: violation("new"), trusted: v1alpha1.TrustedWriters{Users: []string{"alice"}}}, false},
	} {
		r := service(decision.Update)
		r.User.Name = "alice"
		test.asked.guardrail = "g"
		e := evidenceOf(t, r, test.asked)
		e.stored = []decision.Result{violation("old")}
		d := decideOn(t, e)
		if d.Findings[0].WouldDeny != test.want {
			t.Errorf("%s: got %+v", name, d.Findings[0])
		}
		e.exemptions = config.Exemptions{{Name: "legacy", Policies: []string{"a-policy"}}}
		if d := decideOn(t, e); d.Findings[0].WouldDeny || d.Findings[0].Outcome() != "exempted" && d.Findings[0].Unknown == "" {
			t.Errorf("%s, exempted: got %+v", name, d.Findings[0])
		}
	}
}

func TestWhatAPolicyCannotDecideIsDeniedOrAdmittedAsItsBindingSays(t *testing.T) {
	late := &rego.EvaluationError{Policy: "a-policy", Err: sandbox.ErrNoTime}
	steps := &rego.EvaluationError{Policy: "a-policy", Err: &compile.BudgetError{Resource: compile.Steps, Used: 1_000_007, Limit: 1_000_000}}
	for name, test := range map[string]struct {
		failOpen, uncertain bool
		mode                decision.Mode
		after, before       error
		violates            bool // the new object violates the policy, instead of making it fail
		update              bool
		want                decision.Verdict
		wouldDeny           bool
	}{
		"Fail, CREATE":                              {mode: decision.ModeEnforce, after: steps, want: decision.VerdictDeny, wouldDeny: true},
		"Ignore, CREATE":                            {mode: decision.ModeEnforce, failOpen: true, after: steps, want: decision.VerdictUnknown},
		"Fail, only warned":                         {mode: decision.ModeWarn, after: steps, want: decision.VerdictWarn, wouldDeny: true},
		"Fail, only recorded":                       {mode: decision.ModeAudit, after: steps, want: decision.VerdictAllow, wouldDeny: true},
		"Fail, nobody knows whether it is bound":    {mode: decision.ModeEnforce, uncertain: true, after: steps, want: decision.VerdictUnknown},
		"Fail, the stored object was fine":          {mode: decision.ModeEnforce, update: true, after: steps, want: decision.VerdictDeny, wouldDeny: true},
		"Fail, the stored object too":               {mode: decision.ModeEnforce, update: true, after: steps, before: steps, want: decision.VerdictWarn},
		"Fail, no time for the stored object":       {mode: decision.ModeEnforce, update: true, after: steps, before: late, want: decision.VerdictDeny, wouldDeny: true},
		"Ignore, the stored object too":             {mode: decision.ModeEnforce, failOpen: true, update: true, after: steps, before: steps, want: decision.VerdictUnknown},
		"Fail, the stored object alone":             {mode: decision.ModeEnforce, update: true, before: steps, violates: true, want: decision.VerdictDeny, wouldDeny: true},
		"Fail, no time for the stored object alone": {mode: decision.ModeEnforce, update: true, before: late, violates: true, want: decision.VerdictDeny, wouldDeny: true},
		"Ignore, the stored object alone":           {mode: decision.ModeEnforce, failOpen: true, update: true, before: steps, violates: true, want: decision.VerdictUnknown},
	} {
		operation, result := decision.Create, decision.Result{Err: test.after}
		if test.update {
			operation = decision.Update
		}
		if test.violates {
			result = violation("k")
		}
		e := evidenceOf(t, service(operation), asked{guardrail: "g", mode: test.mode, result: result, uncertain: test.uncertain})
		e.bindings[0].FailOpen = test.failOpen
		if test.update {
			updates(&e, decision.Result{Err: test.before})
		}
		d := decideOn(t, e)
		f := d.Findings[0]
		if d.Verdict != test.want || f.WouldDeny != test.wouldDeny {
			t.Errorf("%s: got %s, would deny %v: %+v", name, d.Verdict, f.WouldDeny, f)
		}
		if test.after != nil && !strings.Contains(f.Message, "used more than 1,000,000 steps") {
			t.Errorf("%s: got %q", name, f.Message)
		}
	}
}

func TestUncertainBindingsNeitherDenyNorPass(t *testing.T) {
	d := decideOn(t, evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("k"), uncertain: true}))
	if d.Verdict != decision.VerdictUnknown {
		t.Errorf("got %+v", d)
	}
}

func TestAViolationMayCapItsOwnMode(t *testing.T) {
	result := violation("k")
	result.Violations[0].AtMost = decision.ModeAudit
	if d := decideOn(t, evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeEnforce, result: result})); d.Verdict != decision.VerdictAllow || len(d.Findings) != 1 {
		t.Errorf("got %+v", d)
	}
}

func TestFilledFieldsAreNoFindings(t *testing.T) {
	e := evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("k")})
	e.filled = map[string]bool{"k": true}
	if d := decideOn(t, e); len(d.Findings) > 0 {
		t.Errorf("got %+v", d)
	}
}

// A field that an injection would set counts as no denial once enforced. Whether a failing policy is bound at
// all matters only if its failure denies.
func TestWhatNoDenialDependsOn(t *testing.T) {
	e := evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeWarn, result: violation("k")})
	e.wouldFill = map[string]bool{"other": true}
	if d := decideOn(t, e); !d.Findings[0].WouldDeny {
		t.Errorf("another field would be set: got %+v", d.Findings)
	}
	e.wouldFill = map[string]bool{"k": true}
	if d := decideOn(t, e); d.Findings[0].WouldDeny || d.Verdict != decision.VerdictWarn {
		t.Errorf("it would be set: got %+v", d.Findings)
	}
	e.wouldFill, e.undecided = nil, map[string]string{"k": "nobody knows"}
	if d := decideOn(t, e); d.Findings[0].WouldDeny || d.Findings[0].Unknown != "nobody knows" || d.Findings[0].Unselected {
		t.Errorf("nobody knows: got %+v", d.Findings)
	}
	for failOpen, want := range map[bool]string{false: "namespace shop is not in the input, and Guardrail g selects by its labels", true: "no time"} {
		e := evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeEnforce, result: decision.Result{Err: errors.New("no time")}, uncertain: true})
		e.bindings[0].FailOpen = failOpen
		if f := decideOn(t, e).Findings[0]; f.Unknown != want || f.Unselected == failOpen || f.WouldDeny {
			t.Errorf("fail open %v: got %+v", failOpen, f)
		}
	}
}

// A finding has everything its policy reports, and the Guardrails that require it.
func TestWhatAFindingHas(t *testing.T) {
	v := decision.Violation{
		Message: "m", Path: "spec.x", Key: "k", Container: "c", Digest: [32]byte{7}, Fix: []decision.PatchOperation{{Op: "remove", Path: "/x"}}, Unknown: "u", AtMost: decision.ModeWarn,
	}
	e := evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeEnforce, result: decision.Result{Violations: []decision.Violation{v}}})
	want := decision.Finding{
		Policy: "a-policy", Guardrails: []string{"g"}, Mode: decision.ModeWarn, Severity: decision.SeverityHigh, Container: "c", Path: "spec.x", Key: "k", Digest: [32]byte{7},
		Message: "m", Remediation: "Do it right.", Fix: []decision.PatchOperation{{Op: "remove", Path: "/x"}}, Unknown: "u",
	}
	if diff := cmp.Diff(want, decideOn(t, e).Findings[0]); diff != "" {
		t.Error(diff)
	}
	for failOpen, unknown := range map[bool]string{false: "", true: "no time"} {
		e := evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeWarn, result: decision.Result{Err: errors.New("no time")}})
		e.bindings[0].FailOpen = failOpen
		want := decision.Finding{
			Policy: "a-policy", Guardrails: []string{"g"}, Mode: decision.ModeWarn, Severity: decision.SeverityHigh, Key: "evaluation",
			Message:     "this policy cannot decide the object: it fails, see Taffrail's log",
			Remediation: "Make the object simpler or smaller, or ask the author of the policy. With failurePolicy: Ignore, a Guardrail admits what the policy cannot decide.",
			Failed:      true, FailOpen: failOpen, Unknown: unknown, WouldDeny: !failOpen,
		}
		if !failOpen {
			want.WouldDenyBy = []string{"g"}
		}
		if diff := cmp.Diff(want, decideOn(t, e).Findings[0]); diff != "" {
			t.Errorf("fail open %v: %s", failOpen, diff)
		}
	}
}

func TestOnlyWhatIsAboutAFieldCounts(t *testing.T) {
	for path, want := range map[string]decision.Verdict{
		"spec.template": decision.VerdictDeny, "spec.template.spec": decision.VerdictDeny,
		"spec.templates": decision.VerdictAllow, "spec": decision.VerdictAllow, "metadata.labels": decision.VerdictAllow,
	} {
		e := evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeEnforce, result: violation(path)})
		e.only = "spec.template"
		if d := decideOn(t, e); d.Verdict != want {
			t.Errorf("%s: got %v", path, d.Verdict)
		}
	}
}

// A violation that stands for several counts wherever one of them may be about the field.
func TestWhatStandsForSeveralCounts(t *testing.T) {
	for path, want := range map[string]decision.Verdict{
		"spec.template": decision.VerdictDeny, "spec.template.spec": decision.VerdictDeny, "spec": decision.VerdictDeny, "": decision.VerdictDeny,
		"spec.templates": decision.VerdictAllow, "metadata": decision.VerdictAllow,
	} {
		found := violation(path)
		found.Violations[0].Several = true
		e := evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeEnforce, result: found})
		e.only = "spec.template"
		if d := decideOn(t, e); d.Verdict != want {
			t.Errorf("%s: got %v", path, d.Verdict)
		}
	}
}

// Findings in objects of trusted writers are recorded, and never deny.
func TestWhatATrustedWriterWritesIsRecorded(t *testing.T) {
	r := service(decision.Create)
	r.User.Name = "bot"
	e := evidenceOf(t, r, asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("k"), trusted: v1alpha1.TrustedWriters{Users: []string{"bot"}}})
	if d := decideOn(t, e); d.Verdict != decision.VerdictAllow || len(d.Findings) != 1 || d.Findings[0].Mode != decision.ModeAudit {
		t.Errorf("got %+v", d)
	}
}
