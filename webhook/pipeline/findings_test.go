package pipeline

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"taffrail.dev/test/property"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

type asked struct {
	guardrail string
	mode      decision.Mode
	held      bool
	result    decision.Result
	uncertain bool
	existing  v1alpha1.Existing
	trusted   v1alpha1.TrustedWriters
	// kinds of the policy; Pods and every kind that carries their template if nil.
	kinds []schema.GroupKind
}

// found is evidence, with what a Decider would learn of the stored object and of the cluster.
type found struct {
	evidence
	scope UpdateScope
	// before is nil unless the request is an UPDATE.
	before   func() ([]decision.Result, error)
	restored func() (restored, error)
}

// decide is what a Decider does with evidence.
func (f *found) decide() (*decision.Decision, error) {
	candidates := f.candidates()
	if open := blocking(candidates); f.before != nil && len(open) > 0 {
		if open = f.tolerateByScope(open, f.scope); len(open) > 0 {
			before, err := f.before()
			if err := f.tolerateBaseline(open, before, err); err != nil {
				return nil, err
			}
		}
	}
	if f.restored != nil && anyDenies(candidates) {
		restored, err := f.restored()
		if err != nil {
			return nil, err
		}
		markRestored(candidates, restored)
	}
	return f.decision(candidates, nil), nil
}

func evidenceOf(t interface{ Fatal(...any) }, r *decision.Request, all ...asked) found {
	e := found{evidence: evidence{request: r}}
	for _, a := range all {
		g, err := config.NewGuardrail(&v1alpha1.Guardrail{Spec: v1alpha1.GuardrailSpec{Existing: a.existing, TrustedWriters: a.trusted}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		g.Name = a.guardrail
		policy := &rego.Policy{ID: "a-policy", Severity: decision.SeverityHigh, Remediation: "Do it right.", Kinds: a.kinds}
		if a.kinds == nil {
			policy.Kinds = decision.PodKinds()
		}
		e.bindings = append(e.bindings, config.AppliedBinding{
			Binding: config.Binding{Policy: policy, Mode: a.mode, ModePinned: a.held}, Guardrail: g, Uncertain: a.uncertain,
		})
		e.results = append(e.results, a.result)
	}
	return e
}

func violation(key string) decision.Result {
	return decision.Result{Violations: []decision.Violation{{Message: "m", Path: key, Key: key, Container: "c"}}}
}

// updates makes the evidence that of an UPDATE of an object for which every policy said
// before.
func updates(e *found, before decision.Result) {
	e.before = func() ([]decision.Result, error) {
		return slices.Repeat([]decision.Result{before}, len(e.bindings)), nil
	}
}

func service(operation decision.Operation) *decision.Request {
	return &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}, Operation: operation, Namespace: decision.Namespace{Name: "shop"}}
}

func decideOn(t *testing.T, e found) *decision.Decision {
	t.Helper()
	d, err := e.decide()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

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
		e.before = func() ([]decision.Result, error) { return []decision.Result{violation("old")}, nil }
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

func TestTrust(t *testing.T) {
	for name, test := range map[string]struct {
		kind    schema.GroupVersionKind
		user    decision.User
		trusted v1alpha1.TrustedWriters
		want    decision.Verdict
	}{
		"replica sets' Pod":        {kind: podKind(), user: sa("replicaset-controller"), want: decision.VerdictAllow},
		"jobs' Pod":                {kind: podKind(), user: sa("job-controller"), want: decision.VerdictAllow},
		"deployments' ReplicaSet":  {kind: replicaSets(), user: sa("deployment-controller"), want: decision.VerdictAllow},
		"manager without accounts": {kind: podKind(), user: decision.User{Name: "system:kube-controller-manager"}, want: decision.VerdictAllow},
		"cron jobs' Job":           {kind: schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, user: sa("cronjob-controller"), want: decision.VerdictAllow},
		"a node, another's Pod":    {kind: podKind(), user: decision.User{Name: "system:node:n1"}, want: decision.VerdictDeny},
		"wrong controller":         {kind: podKind(), user: sa("deployment-controller"), want: decision.VerdictDeny},
		"another namespace's":      {kind: podKind(), user: decision.User{Name: "system:serviceaccount:shop:replicaset-controller"}, want: decision.VerdictDeny},
		"controller, a Service":    {kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}, user: sa("replicaset-controller"), want: decision.VerdictDeny},
		"manager, a Service":       {kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}, user: decision.User{Name: "system:kube-controller-manager"}, want: decision.VerdictDeny},
		"a person":                 {kind: podKind(), user: decision.User{Name: "alice"}, want: decision.VerdictDeny},
		"a trusted user":           {kind: podKind(), user: decision.User{Name: "bot"}, trusted: v1alpha1.TrustedWriters{Users: []string{"bot"}}, want: decision.VerdictAllow},
		"a trusted group":          {kind: podKind(), user: decision.User{Name: "x", Groups: []string{"ops"}}, trusted: v1alpha1.TrustedWriters{Groups: []string{"ops"}}, want: decision.VerdictAllow},
		"another group":            {kind: podKind(), user: decision.User{Name: "x", Groups: []string{"dev"}}, trusted: v1alpha1.TrustedWriters{Groups: []string{"ops"}}, want: decision.VerdictDeny},
	} {
		r := &decision.Request{Kind: test.kind, User: test.user, Operation: decision.Create, Object: map[string]any{
			"metadata": map[string]any{"ownerReferences": []any{map[string]any{"kind": "ReplicaSet", "controller": true}}},
		}}
		d := decideOn(t, evidenceOf(t, r, asked{guardrail: "g", mode: decision.ModeEnforce, result: violation("k"), trusted: test.trusted}))
		if d.Verdict != test.want || len(d.Findings) != 1 {
			t.Errorf("%s: got %+v", name, d)
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
		violates            bool // the new object, instead of failing
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

func podKind() schema.GroupVersionKind { return schema.GroupVersionKind{Version: "v1", Kind: "Pod"} }

func replicaSets() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}
}

func sa(name string) decision.User {
	return decision.User{Name: "system:serviceaccount:kube-system:" + name}
}

func TestATolerantGuardrailSoftensNoOther(t *testing.T) {
	e := evidenceOf(t, service(decision.Update),
		asked{guardrail: "kind", mode: decision.ModeEnforce, result: violation("k"), existing: v1alpha1.ExistingTolerate},
		asked{guardrail: "strict", mode: decision.ModeEnforce, result: violation("k"), existing: v1alpha1.ExistingEnforce})
	updates(&e, violation("k"))
	if d := decideOn(t, e); d.Verdict != decision.VerdictDeny {
		t.Errorf("got %v", d.Verdict)
	}
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

// What an injection would set is no denial once it is enforced, and whether a policy that
// fails is bound at all matters only if its failure denies.
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
	for failOpen, want := range map[bool]string{false: "namespace shop is not in the input: nobody can tell whether Guardrail g selects it", true: "no time"} {
		e := evidenceOf(t, service(decision.Create), asked{guardrail: "g", mode: decision.ModeEnforce, result: decision.Result{Err: errors.New("no time")}, uncertain: true})
		e.bindings[0].FailOpen = failOpen
		if f := decideOn(t, e).Findings[0]; f.Unknown != want || f.Unselected == failOpen || f.WouldDeny {
			t.Errorf("fail open %v: got %+v", failOpen, f)
		}
	}
}

// A finding has all that its policy says, and who asks.
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
			Remediation: "Make the object simpler or smaller, or ask whoever wrote the policy. A Guardrail admits what it cannot decide by failurePolicy: Ignore.",
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
