package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

func TestStatusOfAnAudit(t *testing.T) {
	at := time.Unix(1800000000, 5)
	earlier := metav1.NewTime(at.Add(-time.Hour))
	found := &audit.GuardrailFindings{Objects: 7, Violating: 3, Policies: []audit.PolicyFindings{
		{Policy: "a", Mode: decision.ModeWarn, Findings: 1, Objects: 1}, {Policy: "b", Mode: decision.ModeEnforce, Findings: 4, Objects: 2},
	}}
	writer := func(problem string) *auditStatus {
		s := newAuditStatus(auditStatusOptions{trigger: newTrigger(0), reports: func() string { return problem }})
		s.completed, s.current = at, true
		return s
	}
	complete := &audit.State{Complete: true, Unread: []audit.Unread{
		{Kind: schema.GroupKind{Kind: "Secret"}, Err: errors.New("secrets is forbidden")},
		{Kind: schema.GroupKind{Group: "example.com", Kind: "Thing"}, NotServed: true, Err: errors.New("no match")},
	}}
	got := writer("").statusOf(&v1alpha1.Guardrail{}, found, complete)
	if got.Objects != 7 || got.Violating != 3 || !got.Current || !got.CompletedAt.Time.Equal(at) || got.Message != "" || len(got.Findings) != 2 || got.Findings[0].Policy != "b" {
		t.Errorf("%+v", got)
	}
	if len(got.Unread) != 2 || got.Unread[0] != (v1alpha1.AuditUnread{Kind: "Secret", Reason: "secrets is forbidden"}) || got.Unread[1].Kind != "Thing.example.com" || !strings.Contains(got.Unread[1].Reason, "does not serve") {
		t.Errorf("%+v", got.Unread)
	}

	// While the first pass is under way, what an earlier audit found stays.
	g := &v1alpha1.Guardrail{Status: v1alpha1.GuardrailStatus{Audit: &v1alpha1.Audit{Objects: 100, Violating: 50, CompletedAt: &earlier, Current: true}}}
	reading := writer("Reports cannot be read.")
	reading.completed, reading.current = time.Time{}, false
	got = reading.statusOf(g, found, &audit.State{})
	if got.Objects != 100 || got.Violating != 50 || got.Current || !got.CompletedAt.Equal(&earlier) || got.Message != "The first pass is under way. Reports cannot be read." {
		t.Errorf("%+v", got)
	}
	if again := reading.statusOf(&v1alpha1.Guardrail{}, found, &audit.State{Complete: true, Since: at, Undecided: 2}); !strings.Contains(again.Message, "decided again") || !strings.Contains(again.Message, "could not be decided: 2") {
		t.Errorf("%+v", again)
	}

	if got = writer("").statusOf(&v1alpha1.Guardrail{}, found, &audit.State{Complete: true, Since: at}); got.Message != "" {
		t.Errorf("%+v", got)
	}

	// Its size does not depend on the cluster.
	var many audit.State
	for i := range 1000 {
		many.Unread = append(many.Unread, audit.Unread{Kind: schema.GroupKind{Kind: fmt.Sprint("K", i)}, Err: errors.New(strings.Repeat("x", 1000))})
		found.Policies = append(found.Policies, audit.PolicyFindings{Policy: fmt.Sprint("p", i), Mode: decision.ModeAudit, Findings: 1, Objects: 1})
	}
	many.Complete = true
	if got = writer("").statusOf(&v1alpha1.Guardrail{}, found, &many); !strings.Contains(got.Message, "980 more kinds") {
		t.Errorf("message %q", got.Message)
	}
	if len(got.Unread) != 20 || len(got.Unread[0].Reason) > 203 || len(got.Findings) != 300 {
		t.Errorf("%d unread, %d findings", len(got.Unread), len(got.Findings))
	}
}

// While nothing else changes, the time of the audit is written every ten minutes, so that one that has ended grows old. A
// Guardrail that is not in force has no audit.
func TestTheTimeOfAnAudit(t *testing.T) {
	inForce, other := newGuardrail("in-force", 1), newGuardrail("not-in-force", 1)
	other.Status.Audit = &v1alpha1.Audit{Objects: 7}
	inForce.Spec.Policies = []v1alpha1.PolicyBinding{{Name: "image-tag"}}
	var writes atomic.Int32
	c := store(t, &writes, inForce, other)
	now := time.Unix(1800000000, 0)
	auditor := audit.NewAuditor(audit.AuditorOptions{
		Mapper: servesNothing{}, Facts: noFacts{}, Pace: 1, Resync: time.Hour, Changed: func(string) {}, StateChanged: func() {},
		Now: func() time.Time { return now }, Log: logr.Discard(),
	})
	s := newAuditStatus(auditStatusOptions{
		trigger: newTrigger(0), client: c, auditor: auditor, reports: func() string { return "" }, begin: func() {}, now: func() time.Time { return now },
		namespaces: func(context.Context) ([]decision.Namespace, error) { return nil, nil }, log: logr.Discard(),
	})
	status := func(name string) *v1alpha1.Audit {
		var g v1alpha1.Guardrail
		if err := c.Get(t.Context(), client.ObjectKey{Name: name}, &g); err != nil {
			t.Fatal(err)
		}
		return g.Status.Audit
	}
	write := func(want int32) {
		t.Helper()
		writes.Store(0)
		if _, err := s.write(t.Context()); err != nil || writes.Load() != want {
			t.Errorf("%d writes, want %d, %v", writes.Load(), want, err)
		}
	}
	write(0) // no configuration is in force yet
	ctx, cancel := context.WithCancel(t.Context())
	auditor.Configure(pipeline.New(snapshotOf(t, config.Objects{Guardrails: []v1alpha1.Guardrail{*inForce}}), noFacts{}, pipeline.Options{}))
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		auditor.Run(ctx)
	}()
	for !func() bool { state := auditor.State(); return state.Complete }() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ran
	write(2)
	if status("not-in-force") != nil || !status("in-force").CompletedAt.Time.Equal(now) {
		t.Errorf("%+v, %+v", status("in-force"), status("not-in-force"))
	}
	now = now.Add(completedInterval - time.Second)
	write(0)
	now = now.Add(time.Second)
	write(1)
	if !status("in-force").CompletedAt.Time.Equal(now) {
		t.Errorf("%+v", status("in-force"))
	}
}

// servesNothing maps no kind.
type servesNothing struct{ meta.RESTMapper }

func (servesNothing) RESTMapping(kind schema.GroupKind, _ ...string) (*meta.RESTMapping, error) {
	return nil, &meta.NoKindMatchError{GroupKind: kind}
}

// noFacts is a cluster without namespaces.
type noFacts struct{}

func (noFacts) Namespace(_ context.Context, name string) (decision.Namespace, error) {
	return decision.Namespace{Name: name, Known: true}, nil
}

func (noFacts) Facts(context.Context, string, []decision.Fact) (decision.Facts, error) {
	return decision.Facts{}, nil
}

func (noFacts) Namespaces(context.Context) ([]decision.Namespace, error) { return nil, nil }

// Times in a status are whole seconds, and an empty list is stored as none.
func TestAnAuditThatIsStoredIsTheSame(t *testing.T) {
	exact, stored := metav1.NewTime(time.Unix(1800000000, 5)), metav1.NewTime(time.Unix(1800000000, 0))
	if !sameAudit(&v1alpha1.Audit{CompletedAt: &exact, Findings: []v1alpha1.AuditFindings{}}, &v1alpha1.Audit{CompletedAt: &stored}) {
		t.Error("they differ")
	}
	if sameAudit(&v1alpha1.Audit{Objects: 1}, &v1alpha1.Audit{Objects: 2}) || sameAudit(nil, &v1alpha1.Audit{}) || !sameAudit(nil, nil) {
		t.Error("a difference does not count, or nothing does")
	}
}

// What the audit writes wakes nobody who writes the rest of the status.
func TestWhatDiffersOnlyInAudit(t *testing.T) {
	guardrail := func(change func(*v1alpha1.Guardrail)) *v1alpha1.Guardrail {
		g := &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: "g", ResourceVersion: "1"}, Status: v1alpha1.GuardrailStatus{Audit: &v1alpha1.Audit{Objects: 1}}}
		change(g)
		return g
	}
	before := guardrail(func(*v1alpha1.Guardrail) {})
	audited := func(g *v1alpha1.Guardrail) {
		g.Status.Audit, g.ResourceVersion = &v1alpha1.Audit{Objects: 2}, "2"
		g.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
	}
	for name, c := range map[string]struct {
		after any
		want  bool
	}{
		"the audit":            {guardrail(audited), true},
		"no audit any longer":  {guardrail(func(g *v1alpha1.Guardrail) { g.Status.Audit = nil }), true},
		"the mode too":         {guardrail(func(g *v1alpha1.Guardrail) { audited(g); g.Status.Mode = "warn" }), false},
		"a label too":          {guardrail(func(g *v1alpha1.Guardrail) { audited(g); g.Labels = map[string]string{"a": "b"} }), false},
		"nothing":              {guardrail(func(*v1alpha1.Guardrail) {}), false},
		"an object of another": {&v1alpha1.Policy{}, false},
	} {
		if got := differOnlyInAudit(before, c.after); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if before.Status.Audit == nil || before.ResourceVersion != "1" {
		t.Error("the object was changed")
	}
}

func TestEffectiveMode(t *testing.T) {
	for _, c := range []struct {
		mode    v1alpha1.Mode
		maxMode decision.Mode
		want    v1alpha1.Mode
	}{
		{v1alpha1.ModeEnforce, decision.ModeAudit, v1alpha1.ModeAudit}, {v1alpha1.ModeEnforce, 0, v1alpha1.ModeEnforce},
		{v1alpha1.ModeWarn, decision.ModeEnforce, v1alpha1.ModeWarn}, {"other", decision.ModeAudit, ""},
	} {
		if got := effectiveMode(c.mode, c.maxMode); got != c.want {
			t.Errorf("%s under %s: %s, want %s", c.mode, c.maxMode, got, c.want)
		}
	}
}
