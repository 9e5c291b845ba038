package guardrail_test

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
	"taffrail.dev/webhook/engine"
	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/review"
)

type asked struct {
	guardrail string
	mode      review.Mode
	held      bool
	result    review.Result
	uncertain bool
	existing  v1alpha1.Existing
	trusted   v1alpha1.TrustedWriters
	// kinds of the policy; Pods and every kind that carries their template if nil.
	kinds []schema.GroupKind
}

func evidence(t interface{ Fatal(...any) }, r *review.Request, all ...asked) guardrail.Evidence {
	e := guardrail.Evidence{Request: r}
	for _, a := range all {
		g, err := guardrail.New(&v1alpha1.Guardrail{Spec: v1alpha1.GuardrailSpec{Existing: a.existing, TrustedWriters: a.trusted}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		g.Name = a.guardrail
		policy := &engine.Policy{ID: "a-policy", Severity: review.SeverityHigh, Remediation: "Do it right.", Kinds: a.kinds}
		if a.kinds == nil {
			policy.Kinds = review.PodKinds()
		}
		e.Bounds = append(e.Bounds, guardrail.Bound{
			Binding: guardrail.Binding{Policy: policy, Mode: a.mode, Held: a.held}, Guardrail: g, Uncertain: a.uncertain,
		})
		e.Results = append(e.Results, a.result)
	}
	return e
}

func violation(key string) review.Result {
	return review.Result{Violations: []review.Violation{{Message: "m", Path: key, Key: key, Container: "c"}}}
}

// updates makes the evidence that of an UPDATE of an object for which every policy said
// before.
func updates(e *guardrail.Evidence, before review.Result) {
	e.Extent = func(*review.Request) guardrail.Extent { return guardrail.ChangesContent }
	e.Before = func() ([]review.Result, error) { return slices.Repeat([]review.Result{before}, len(e.Bounds)), nil }
}

func service(operation review.Operation) *review.Request {
	return &review.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}, Operation: operation, Namespace: review.Namespace{Name: "shop"}}
}

func decide(t *testing.T, e guardrail.Evidence) *review.Decision {
	t.Helper()
	d, err := guardrail.Decide(e)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestModesDecide(t *testing.T) {
	for mode, want := range map[review.Mode]review.Verdict{
		review.ModeEnforce: review.VerdictDeny, review.ModeWarn: review.VerdictWarn, review.ModeAudit: review.VerdictAllow,
	} {
		if d := decide(t, evidence(t, service(review.Create), asked{guardrail: "g", mode: mode, result: violation("k")})); d.Verdict != want {
			t.Errorf("%v: got %v", mode, d.Verdict)
		}
	}
	if d := decide(t, evidence(t, service(review.Create), asked{guardrail: "g", mode: review.ModeEnforce})); d.Verdict != review.VerdictAllow {
		t.Errorf("nothing found: got %v", d.Verdict)
	}
}

func TestEqualFindingsAreOneUnderTheStrictestMode(t *testing.T) {
	d := decide(t, evidence(t, service(review.Create),
		asked{guardrail: "z", mode: review.ModeWarn, result: violation("k")},
		asked{guardrail: "a", mode: review.ModeEnforce, result: violation("k")},
		asked{guardrail: "m", mode: review.ModeAudit, result: violation("other")},
	))
	if len(d.Findings) != 2 || d.Verdict != review.VerdictDeny {
		t.Fatalf("got %+v", d)
	}
	if diff := cmp.Diff([]string{"a", "z"}, d.Findings[0].Guardrails); diff != "" || d.Findings[0].Mode != review.ModeEnforce {
		t.Errorf("got %+v", d.Findings[0])
	}
}

// Adding a Guardrail never loosens anything.
func TestAddingAGuardrailNeverLoosens(t *testing.T) {
	order := map[review.Verdict]int{review.VerdictAllow: 0, review.VerdictWarn: 1, review.VerdictUnknown: 2, review.VerdictDeny: 3}
	draw := func(t *rapid.T, name string) asked {
		return asked{
			guardrail: name,
			mode:      rapid.SampledFrom([]review.Mode{review.ModeAudit, review.ModeWarn, review.ModeEnforce}).Draw(t, "mode"),
			result:    violation(rapid.SampledFrom([]string{"k", "l"}).Draw(t, "key")),
			uncertain: rapid.Bool().Draw(t, "uncertain"),
			existing:  rapid.SampledFrom([]v1alpha1.Existing{"", v1alpha1.ExistingTolerate, v1alpha1.ExistingEnforce}).Draw(t, "existing"),
		}
	}
	property.Check(t, func(t *rapid.T) {
		before := review.Result{}
		if rapid.Bool().Draw(t, "had it") {
			before = violation("k")
		}
		run := func(all ...asked) review.Verdict {
			e := evidence(t, service(review.Update), all...)
			updates(&e, before)
			d, err := guardrail.Decide(e)
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
	atMost.Violations[0].AtMost = review.ModeWarn
	unknown := violation("new")
	unknown.Violations[0].Unknown = "no LimitRange"
	for name, test := range map[string]struct {
		asked asked
		want  bool
	}{
		"enforced":                  {asked{mode: review.ModeEnforce, result: violation("new")}, true},
		"warned":                    {asked{mode: review.ModeWarn, result: violation("new")}, true},
		"audited":                   {asked{mode: review.ModeAudit, result: violation("new")}, true},
		"never enforced":            {asked{mode: review.ModeAudit, held: true, result: violation("new")}, false},
		"had it":                    {asked{mode: review.ModeAudit, result: violation("old")}, false},
		"had it and may not":        {asked{mode: review.ModeAudit, result: violation("old"), existing: v1alpha1.ExistingEnforce}, true},
		"never more than a warning": {asked{mode: review.ModeWarn, result: atMost}, false},
		"unknown":                   {asked{mode: review.ModeWarn, result: unknown}, false},
		"by a trusted writer":       {asked{mode: review.ModeWarn, result: violation("new"), trusted: v1alpha1.TrustedWriters{Users: []string{"alice"}}}, false},
	} {
		r := service(review.Update)
		r.User.Name = "alice"
		test.asked.guardrail = "g"
		e := evidence(t, r, test.asked)
		e.Extent = func(*review.Request) guardrail.Extent { return guardrail.ChangesContent }
		e.Before = func() ([]review.Result, error) { return []review.Result{violation("old")}, nil }
		d := decide(t, e)
		if d.Findings[0].WouldDeny != test.want {
			t.Errorf("%s: got %+v", name, d.Findings[0])
		}
		e.Exemptions = guardrail.Exemptions{{Name: "legacy", Policies: []string{"a-policy"}}}
		if d := decide(t, e); d.Findings[0].WouldDeny || d.Findings[0].Outcome() != "exempted" && d.Findings[0].Unknown == "" {
			t.Errorf("%s, exempted: got %+v", name, d.Findings[0])
		}
	}
}

func TestTrust(t *testing.T) {
	for name, test := range map[string]struct {
		kind    schema.GroupVersionKind
		user    review.User
		trusted v1alpha1.TrustedWriters
		want    review.Verdict
	}{
		"replica sets' Pod":        {kind: pods(), user: sa("replicaset-controller"), want: review.VerdictAllow},
		"jobs' Pod":                {kind: pods(), user: sa("job-controller"), want: review.VerdictAllow},
		"deployments' ReplicaSet":  {kind: replicaSets(), user: sa("deployment-controller"), want: review.VerdictAllow},
		"manager without accounts": {kind: pods(), user: review.User{Name: "system:kube-controller-manager"}, want: review.VerdictAllow},
		"cron jobs' Job":           {kind: schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, user: sa("cronjob-controller"), want: review.VerdictAllow},
		"a node, another's Pod":    {kind: pods(), user: review.User{Name: "system:node:n1"}, want: review.VerdictDeny},
		"wrong controller":         {kind: pods(), user: sa("deployment-controller"), want: review.VerdictDeny},
		"another namespace's":      {kind: pods(), user: review.User{Name: "system:serviceaccount:shop:replicaset-controller"}, want: review.VerdictDeny},
		"controller, a Service":    {kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}, user: sa("replicaset-controller"), want: review.VerdictDeny},
		"manager, a Service":       {kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}, user: review.User{Name: "system:kube-controller-manager"}, want: review.VerdictDeny},
		"a person":                 {kind: pods(), user: review.User{Name: "alice"}, want: review.VerdictDeny},
		"a trusted user":           {kind: pods(), user: review.User{Name: "bot"}, trusted: v1alpha1.TrustedWriters{Users: []string{"bot"}}, want: review.VerdictAllow},
		"a trusted group":          {kind: pods(), user: review.User{Name: "x", Groups: []string{"ops"}}, trusted: v1alpha1.TrustedWriters{Groups: []string{"ops"}}, want: review.VerdictAllow},
		"another group":            {kind: pods(), user: review.User{Name: "x", Groups: []string{"dev"}}, trusted: v1alpha1.TrustedWriters{Groups: []string{"ops"}}, want: review.VerdictDeny},
	} {
		r := &review.Request{Kind: test.kind, User: test.user, Operation: review.Create, Object: map[string]any{
			"metadata": map[string]any{"ownerReferences": []any{map[string]any{"kind": "ReplicaSet", "controller": true}}},
		}}
		d := decide(t, evidence(t, r, asked{guardrail: "g", mode: review.ModeEnforce, result: violation("k"), trusted: test.trusted}))
		if d.Verdict != test.want || len(d.Findings) != 1 {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}

func TestWhatAPolicyCannotDecideIsDeniedOrAdmittedAsItsBindingSays(t *testing.T) {
	late := &engine.EvaluationError{Policy: "a-policy", Err: engine.ErrNoTime}
	steps := &engine.EvaluationError{Policy: "a-policy", Err: &engine.StepsError{Used: 250_007, Limit: engine.MaxSteps}}
	for name, test := range map[string]struct {
		failOpen, uncertain bool
		mode                review.Mode
		after, before       error
		violates            bool // the new object, instead of failing
		update              bool
		want                review.Verdict
		wouldDeny           bool
	}{
		"Fail, CREATE":                              {mode: review.ModeEnforce, after: steps, want: review.VerdictDeny, wouldDeny: true},
		"Ignore, CREATE":                            {mode: review.ModeEnforce, failOpen: true, after: steps, want: review.VerdictUnknown},
		"Fail, only warned":                         {mode: review.ModeWarn, after: steps, want: review.VerdictWarn, wouldDeny: true},
		"Fail, only recorded":                       {mode: review.ModeAudit, after: steps, want: review.VerdictAllow, wouldDeny: true},
		"Fail, nobody knows whether it is bound":    {mode: review.ModeEnforce, uncertain: true, after: steps, want: review.VerdictUnknown},
		"Fail, the stored object was fine":          {mode: review.ModeEnforce, update: true, after: steps, want: review.VerdictDeny, wouldDeny: true},
		"Fail, the stored object too":               {mode: review.ModeEnforce, update: true, after: steps, before: steps, want: review.VerdictWarn},
		"Fail, no time for the stored object":       {mode: review.ModeEnforce, update: true, after: steps, before: late, want: review.VerdictDeny, wouldDeny: true},
		"Ignore, the stored object too":             {mode: review.ModeEnforce, failOpen: true, update: true, after: steps, before: steps, want: review.VerdictUnknown},
		"Fail, the stored object alone":             {mode: review.ModeEnforce, update: true, before: steps, violates: true, want: review.VerdictDeny, wouldDeny: true},
		"Fail, no time for the stored object alone": {mode: review.ModeEnforce, update: true, before: late, violates: true, want: review.VerdictDeny, wouldDeny: true},
		"Ignore, the stored object alone":           {mode: review.ModeEnforce, failOpen: true, update: true, before: steps, violates: true, want: review.VerdictUnknown},
	} {
		operation, result := review.Create, review.Result{Err: test.after}
		if test.update {
			operation = review.Update
		}
		if test.violates {
			result = violation("k")
		}
		e := evidence(t, service(operation), asked{guardrail: "g", mode: test.mode, result: result, uncertain: test.uncertain})
		e.Bounds[0].FailOpen = test.failOpen
		if test.update {
			updates(&e, review.Result{Err: test.before})
		}
		d := decide(t, e)
		f := d.Findings[0]
		if d.Verdict != test.want || f.WouldDeny != test.wouldDeny {
			t.Errorf("%s: got %s, would deny %v: %+v", name, d.Verdict, f.WouldDeny, f)
		}
		if test.after != nil && !strings.Contains(f.Message, "used more than 250,000 steps") {
			t.Errorf("%s: got %q", name, f.Message)
		}
	}
}

func TestUncertainBindingsNeitherDenyNorPass(t *testing.T) {
	d := decide(t, evidence(t, service(review.Create), asked{guardrail: "g", mode: review.ModeEnforce, result: violation("k"), uncertain: true}))
	if d.Verdict != review.VerdictUnknown {
		t.Errorf("got %+v", d)
	}
}

func TestAViolationMayCapItsOwnMode(t *testing.T) {
	result := violation("k")
	result.Violations[0].AtMost = review.ModeAudit
	if d := decide(t, evidence(t, service(review.Create), asked{guardrail: "g", mode: review.ModeEnforce, result: result})); d.Verdict != review.VerdictAllow || len(d.Findings) != 1 {
		t.Errorf("got %+v", d)
	}
}

func TestFilledFieldsAreNoFindings(t *testing.T) {
	e := evidence(t, service(review.Create), asked{guardrail: "g", mode: review.ModeEnforce, result: violation("k")})
	e.Filled = map[string]bool{"k": true}
	if d := decide(t, e); len(d.Findings) > 0 {
		t.Errorf("got %+v", d)
	}
}

func pods() schema.GroupVersionKind { return schema.GroupVersionKind{Version: "v1", Kind: "Pod"} }

func replicaSets() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}
}

func sa(name string) review.User {
	return review.User{Name: "system:serviceaccount:kube-system:" + name}
}

func TestATolerantGuardrailSoftensNoOther(t *testing.T) {
	e := evidence(t, service(review.Update),
		asked{guardrail: "kind", mode: review.ModeEnforce, result: violation("k"), existing: v1alpha1.ExistingTolerate},
		asked{guardrail: "strict", mode: review.ModeEnforce, result: violation("k"), existing: v1alpha1.ExistingEnforce})
	updates(&e, violation("k"))
	if d := decide(t, e); d.Verdict != review.VerdictDeny {
		t.Errorf("got %v", d.Verdict)
	}
}

// A decision of two parts has the worst of both, each finding once and for all that ask.
func TestPartsOfADecisionAreJoined(t *testing.T) {
	finding := func(key, asking string, mode review.Mode) review.Finding {
		return review.Finding{Policy: "p", Key: key, Guardrails: []string{asking}, Mode: mode}
	}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		one, other review.Decision
		want       review.Decision
	}{
		"another finding": {
			review.Decision{Findings: []review.Finding{finding("a", "g", review.ModeWarn)}, Unbound: true},
			review.Decision{Findings: []review.Finding{finding("b", "g", review.ModeEnforce)}, Errors: map[string]error{"q": broken}},
			review.Decision{
				Findings: []review.Finding{finding("b", "g", review.ModeEnforce), finding("a", "g", review.ModeWarn)},
				Errors:   map[string]error{"q": broken}, Verdict: review.VerdictDeny,
			},
		},
		"a stricter one": {
			review.Decision{Findings: []review.Finding{finding("a", "h", review.ModeWarn)}, Errors: map[string]error{"p": broken}},
			review.Decision{Findings: []review.Finding{finding("a", "g", review.ModeEnforce)}, Errors: map[string]error{"q": broken}},
			review.Decision{
				Findings: []review.Finding{{Policy: "p", Key: "a", Guardrails: []string{"g", "h"}, Mode: review.ModeEnforce}},
				Errors:   map[string]error{"p": broken, "q": broken}, Verdict: review.VerdictDeny,
			},
		},
		"nothing": {
			review.Decision{Findings: []review.Finding{finding("a", "h", review.ModeAudit)}, Unbound: true}, review.Decision{Unbound: true},
			review.Decision{Findings: []review.Finding{finding("a", "h", review.ModeAudit)}, Unbound: true, Verdict: review.VerdictAllow},
		},
	} {
		got := c.one
		guardrail.Join(&got, &c.other)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What an injection would set is no denial once it is enforced, and whether a policy that
// fails is bound at all matters only if its failure denies.
func TestWhatNoDenialDependsOn(t *testing.T) {
	e := evidence(t, service(review.Create), asked{guardrail: "g", mode: review.ModeWarn, result: violation("k")})
	e.WouldFill = map[string]bool{"other": true}
	if d := decide(t, e); !d.Findings[0].WouldDeny {
		t.Errorf("another field would be set: got %+v", d.Findings)
	}
	e.WouldFill = map[string]bool{"k": true}
	if d := decide(t, e); d.Findings[0].WouldDeny || d.Verdict != review.VerdictWarn {
		t.Errorf("it would be set: got %+v", d.Findings)
	}
	e.WouldFill, e.Undecided = nil, map[string]string{"k": "nobody knows"}
	if d := decide(t, e); d.Findings[0].WouldDeny || d.Findings[0].Unknown != "nobody knows" || d.Findings[0].Unselected {
		t.Errorf("nobody knows: got %+v", d.Findings)
	}
	for failOpen, want := range map[bool]string{false: "namespace shop is not in the input: nobody can tell whether Guardrail g selects it", true: "no time"} {
		e := evidence(t, service(review.Create), asked{guardrail: "g", mode: review.ModeEnforce, result: review.Result{Err: errors.New("no time")}, uncertain: true})
		e.Bounds[0].FailOpen = failOpen
		if f := decide(t, e).Findings[0]; f.Unknown != want || f.Unselected == failOpen || f.WouldDeny {
			t.Errorf("fail open %v: got %+v", failOpen, f)
		}
	}
}

// A finding has all that its policy says, and who asks.
func TestWhatAFindingHas(t *testing.T) {
	v := review.Violation{
		Message: "m", Path: "spec.x", Key: "k", Container: "c", Digest: [32]byte{7}, Fix: []review.PatchOperation{{Op: "remove", Path: "/x"}}, Unknown: "u", AtMost: review.ModeWarn,
	}
	e := evidence(t, service(review.Create), asked{guardrail: "g", mode: review.ModeEnforce, result: review.Result{Violations: []review.Violation{v}}})
	want := review.Finding{
		Policy: "a-policy", Guardrails: []string{"g"}, Mode: review.ModeWarn, Severity: review.SeverityHigh, Container: "c", Path: "spec.x", Key: "k", Digest: [32]byte{7},
		Message: "m", Remediation: "Do it right.", Fix: []review.PatchOperation{{Op: "remove", Path: "/x"}}, Unknown: "u",
	}
	if diff := cmp.Diff(want, decide(t, e).Findings[0]); diff != "" {
		t.Error(diff)
	}
	for failOpen, unknown := range map[bool]string{false: "", true: "no time"} {
		e := evidence(t, service(review.Create), asked{guardrail: "g", mode: review.ModeWarn, result: review.Result{Err: errors.New("no time")}})
		e.Bounds[0].FailOpen = failOpen
		want := review.Finding{
			Policy: "a-policy", Guardrails: []string{"g"}, Mode: review.ModeWarn, Severity: review.SeverityHigh, Key: "evaluation",
			Message:     "this policy cannot decide the object: it fails, see Taffrail's log",
			Remediation: "Make the object simpler or smaller, or ask whoever wrote the policy. A Guardrail admits what it cannot decide by failurePolicy: Ignore.",
			Failed:      true, FailOpen: failOpen, Unknown: unknown, WouldDeny: !failOpen,
		}
		if !failOpen {
			want.WouldDenyBy = []string{"g"}
		}
		if diff := cmp.Diff(want, decide(t, e).Findings[0]); diff != "" {
			t.Errorf("fail open %v: %s", failOpen, diff)
		}
	}
}
