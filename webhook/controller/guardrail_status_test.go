package controller

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/metrics"
)

// newTestStatusWriter returns a statusWriter for the objects in c and their compilation.
func newTestStatusWriter(c client.Client, compiled *outcome, change ...func(*statusOptions)) *statusWriter {
	o := statusOptions{
		trigger: newTrigger(0), client: c, compiled: func() *outcome { return compiled },
		usage:      func(string, string) (*audit.ExemptionUsage, time.Time) { return nil, time.Time{} },
		namespaces: func(context.Context) ([]decision.Namespace, error) { return nil, nil },
		metrics:    metrics.NewConfiguration(prometheus.NewRegistry()), now: time.Now, log: logr.Discard(),
	}
	for _, f := range change {
		f(&o)
	}
	return newStatusWriter(o)
}

func TestStatus(t *testing.T) {
	var writes atomic.Int32
	c := store(t, &writes, newGuardrail("good", 3), newGuardrail("partly", 1), newGuardrail("bad", 1), newGuardrail("newer", 2), newGuardrail("unseen", 1))
	unknown := field.ErrorList{field.NotFound(field.NewPath("spec", "policies").Index(1).Child("name"), "imagetag")}
	compiled := &outcome{
		snapshot:    snapshotOf(t, config.Objects{}),
		generations: map[key]int64{{"Guardrail", "good"}: 3, {"Guardrail", "partly"}: 1, {"Guardrail", "bad"}: 1, {"Guardrail", "newer"}: 1, {"Guardrail", "gone"}: 1},
		problems: map[key]config.Problem{
			{"Guardrail", "partly"}: {Name: "partly", Errors: unknown},
			{"Guardrail", "bad"}:    {Name: "bad", Errors: unknown, Inactive: true},
		},
	}
	if _, err := newTestStatusWriter(c, nil).write(t.Context()); err != nil || writes.Load() != 0 {
		t.Fatalf("before anything compiled: %v, %d writes", err, writes.Load())
	}
	w := newTestStatusWriter(c, compiled, func(o *statusOptions) { o.maxMode = decision.ModeWarn })
	if _, err := w.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		status  metav1.ConditionStatus
		reason  string
		message string
	}{
		"good":   {"True", "Compiled", "Every binding is in force."},
		"partly": {"True", "PartlyInvalid", `Parts of this Guardrail are not in force: spec.policies[1].name: Not found: "imagetag"`},
		"bad":    {"False", "Invalid", `No part of this Guardrail is in force: spec.policies[1].name: Not found: "imagetag"`},
	} {
		g := get(t, c, name)
		got := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.ConditionActive)
		if got == nil || got.Status != want.status || got.Reason != want.reason || got.Message != want.message ||
			got.ObservedGeneration != g.Generation || g.Status.ObservedGeneration != g.Generation || got.LastTransitionTime.IsZero() ||
			g.Status.MaxMode != v1alpha1.ModeWarn {
			t.Errorf("%s: %+v", name, g.Status)
		}
	}
	for _, name := range []string{"newer", "unseen"} {
		if g := get(t, c, name); len(g.Status.Conditions) != 0 {
			t.Errorf("%s has a status before it compiled: %+v", name, g.Status)
		}
	}
	if _, err := w.write(t.Context()); err != nil || writes.Load() != 3 {
		t.Errorf("%v, %d writes where three statuses changed once", err, writes.Load())
	}
}

func TestStatusIsPutRight(t *testing.T) {
	var writes atomic.Int32
	g := newGuardrail("a", 1)
	g.Status.ObservedGeneration = 1
	g.Status.Conditions = []metav1.Condition{
		{Type: "Other", Status: "True", Reason: "Kept"},
		{Type: v1alpha1.ConditionActive, Status: "False", Reason: "Tampered", ObservedGeneration: 1},
	}
	c := store(t, &writes, g)
	w := newTestStatusWriter(c, &outcome{snapshot: snapshotOf(t, config.Objects{}), generations: map[key]int64{{"Guardrail", "a"}: 1}})
	if _, err := w.write(t.Context()); err != nil || writes.Load() != 1 {
		t.Fatalf("%v, %d writes", err, writes.Load())
	}
	got := get(t, c, "a").Status.Conditions
	if len(got) != 2 || !meta.IsStatusConditionTrue(got, v1alpha1.ConditionActive) || !meta.IsStatusConditionTrue(got, "Other") {
		t.Errorf("%+v", got)
	}
}

func TestConditionMessageIsBounded(t *testing.T) {
	p := config.Problem{Errors: field.ErrorList{field.Invalid(field.NewPath("spec"), strings.Repeat("ä", 5000), "no")}}
	if got := len([]rune(problemText(p))); got != maxConditionMessage {
		t.Errorf("%d characters", got)
	}
}

func get(t *testing.T, c client.Client, name string) *v1alpha1.Guardrail {
	t.Helper()
	var g v1alpha1.Guardrail
	if err := c.Get(t.Context(), client.ObjectKey{Name: name}, &g); err != nil {
		t.Fatal(err)
	}
	return &g
}
