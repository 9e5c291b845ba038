package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// minute is a clock that also knows which namespaces were never updated, and when the others were labeled.
type minute struct {
	now       int
	untouched map[string]bool
	labeled   map[string]int
}

func at(minutes int) time.Time { return time.Date(2027, 1, 1, 0, minutes, 0, 0, time.UTC) }

func (m *minute) Now(context.Context) (time.Time, error) {
	if m.now < 0 {
		return time.Time{}, errors.New("away")
	}
	return at(m.now), nil
}

func (m *minute) Metadata(_ context.Context, kind schema.GroupVersionKind, _, name, _ string) (*metav1.PartialObjectMetadata, error) {
	if kind.Kind == "ConfigMap" {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "10"}}, nil
	}
	created := metav1.NewTime(at(m.now - 1))
	object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: created, ResourceVersion: "9"}}
	if name == "now" {
		object.CreationTimestamp = metav1.NewTime(at(m.now))
	}
	if m.now == 30 || name == "now" {
		object.ResourceVersion = "11"
	}
	touched := created
	if !m.untouched[name] {
		touched = metav1.NewTime(at(m.now))
	}
	if labeled, known := m.labeled[name]; known {
		object.CreationTimestamp, touched = metav1.NewTime(at(1)), metav1.NewTime(at(labeled))
	}
	object.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Time: &touched}}
	return object, nil
}

// recorder derives each record from the previous one.
type recorder struct {
	t      *testing.T
	clock  minute
	spec   v1alpha1.GuardrailSpec
	record *v1alpha1.Injection
}

func (r *recorder) next(minutes int, injecting []config.Injecting, selected ...decision.Namespace) string {
	r.t.Helper()
	r.clock.now = minutes
	made := &injectionRecord{ctx: r.t.Context(), clock: &r.clock, live: &r.clock, before: r.record, spec: &r.spec, injecting: injecting, selected: selected}
	record, err := made.make()
	if err != nil {
		r.t.Fatal(err)
	}
	r.record = record
	if record == nil {
		return ""
	}
	var parts []string
	for _, p := range record.Periods {
		text := fmt.Sprintf("%s %s %d-", p.Policy, p.Parameters.Raw, p.Since.Minute())
		if p.Until != nil {
			text += fmt.Sprint(p.Until.Minute())
		}
		parts = append(parts, text)
	}
	if record.Everywhere != nil {
		parts = append(parts, fmt.Sprintf("everywhere %d", record.Everywhere.Minute()))
	}
	for _, group := range record.Namespaces {
		parts = append(parts, fmt.Sprintf("%s %d", strings.Join(group.Names, ","), group.Since.Minute()))
	}
	return strings.Join(parts, "; ")
}

func by(parameters ...string) []config.Injecting {
	var all []config.Injecting
	for _, p := range parameters {
		all = append(all, config.Injecting{Policy: "i", Parameters: apiextensionsv1.JSON{Raw: []byte(p)}})
	}
	return all
}

func there(name string, created int) decision.Namespace {
	return decision.Namespace{Name: name, Created: at(created)}
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRecordOfParameters(t *testing.T) {
	r := &recorder{t: t}
	want(t, r.next(1, nil), "")
	want(t, r.next(2, by(`{"a":1}`)), `i {"a":1} 2-; everywhere 2`)
	want(t, r.next(3, by(`{"a":1}`)), `i {"a":1} 2-; everywhere 2`)
	want(t, r.next(4, by(`{"a":2}`)), `i {"a":1} 2-4; i {"a":2} 4-; everywhere 2`)
	want(t, r.next(5, by(`{"a":1}`)), `i {"a":1} 2-4; i {"a":2} 4-5; i {"a":1} 5-; everywhere 2`)
	want(t, r.next(6, nil), "") // all later ones are already recorded
	want(t, r.next(7, by(`{"a":1}`)), `i {"a":1} 7-; everywhere 7`)
}

func TestRecordIsBounded(t *testing.T) {
	r := &recorder{t: t}
	for i := range 50 {
		r.next(1, by(fmt.Sprintf(`{"a":%d}`, i)))
	}
	if n := len(r.record.Periods); n != maxPeriods || r.record.Periods[n-1].Until != nil {
		t.Errorf("%d periods, the last %+v", n, r.record.Periods[n-1])
	}
	r = &recorder{t: t, spec: v1alpha1.GuardrailSpec{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}}
	var many []decision.Namespace
	for i := range maxRecorded + 3 {
		many = append(many, there(fmt.Sprintf("n-%d", i), 0))
	}
	r.next(1, by(`{}`), many...)
	if len(r.record.Namespaces) != 1 || len(r.record.Namespaces[0].Names) != maxRecorded || r.record.Unrecorded != 3 {
		t.Errorf("%d groups, %d not recorded", len(r.record.Namespaces), r.record.Unrecorded)
	}
}

func TestRecordOfSelectedNamespaces(t *testing.T) {
	r := &recorder{t: t, clock: minute{untouched: map[string]bool{"born": true}}}
	r.spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	a := there("a", 0)
	want(t, r.next(10, by(`{}`), a), "i {} 10-; a 10")
	// Created with the label, labeled later, and as old as the selector.
	want(t, r.next(12, by(`{}`), a, there("born", 11), there("late", 11), there("old", 9)), "i {} 10-; a 10; born 11; late,old 12")
	want(t, r.next(13, by(`{}`), a, there("born", 11), there("old", 9)), "i {} 10-; a 10; born 11; old 12")
	want(t, r.next(14, by(`{}`), a, there("born", 11), there("late", 11), there("old", 9)), "i {} 10-; a 10; born 11; old 12; late 14")
	// Deleted and recreated with the same name.
	want(t, r.next(20, by(`{}`), a, there("old", 19)), "i {} 10-; a 10; old 20")
	// Labeled in the second of its creation.
	r.next(21, by(`{}`), a, there("now", 21))
	if got := r.record.Namespaces[1].Since.Time; !got.Equal(at(21).Add(time.Second)) {
		t.Errorf("recorded since %s", got)
	}
	// Labeled in the second of its creation, but after Pods could exist.
	r.next(30, by(`{}`), a, there("born", 29))
	if got := r.record.Namespaces[1].Since.Time; !got.Equal(at(29).Add(time.Second)) {
		t.Errorf("recorded since %s", got)
	}
	// A changed selector is newer than all namespaces that it selects.
	r.spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"c": "d"}}
	want(t, r.next(41, by(`{}`), a, there("new", 40)), "i {} 10-; a 10; new 41")
	r.spec.NamespaceSelector = nil
	want(t, r.next(42, by(`{}`), a, there("new", 40), there("x", 0)), "i {} 10-; everywhere 42; a 10; new 41")
}

// However late a namespace is recorded, it counts as selected since it has the label that the selector
// requires. A removed label leaves no timestamp.
func TestNamespacesAreRecordedSinceTheyWereLabeled(t *testing.T) {
	r := &recorder{t: t, clock: minute{labeled: map[string]int{"between": 15, "before": 8}}}
	r.spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	want(t, r.next(10, by(`{}`)), "i {} 10-")
	want(t, r.next(20, by(`{}`), there("between", 1), there("before", 1)), "i {} 10-; between 15; before 20")

	r = &recorder{t: t, clock: minute{labeled: map[string]int{"between": 15}}}
	r.spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: metav1.LabelSelectorOpDoesNotExist}}}
	r.next(10, by(`{}`))
	want(t, r.next(20, by(`{}`), there("between", 1)), "i {} 10-; between 20")
}

func TestRecordOfExcludedNamespaces(t *testing.T) {
	r := &recorder{t: t, spec: v1alpha1.GuardrailSpec{ExcludeNamespaces: []string{"x", "y"}}}
	want(t, r.next(1, by(`{}`), there("a", 0)), "i {} 1-; everywhere 1")
	r.spec.ExcludeNamespaces = []string{"y"}
	want(t, r.next(2, by(`{}`), there("a", 0), there("x", 0)), "i {} 1-; everywhere 1; x 2")
	want(t, r.next(3, by(`{}`), there("a", 0), there("x", 0)), "i {} 1-; everywhere 1; x 2")
	r.spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	want(t, r.next(4, by(`{}`), there("a", 0), there("x", 0)), "i {} 1-; a 1; x 2")
}

func TestNothingIsRecordedWithoutATime(t *testing.T) {
	r := &injectionRecord{ctx: t.Context(), clock: &minute{now: -1}, spec: &v1alpha1.GuardrailSpec{}, injecting: by(`{}`)}
	if record, err := r.make(); err == nil {
		t.Errorf("got %+v", record)
	}
}
