package controller

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/decision"
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
	if got = writer("").statusOf(&v1alpha1.Guardrail{}, found, &many); len(got.Unread) != 20 || len(got.Unread[0].Reason) > 203 || len(got.Findings) != 300 {
		t.Errorf("%d unread, %d findings", len(got.Unread), len(got.Findings))
	}
}

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
