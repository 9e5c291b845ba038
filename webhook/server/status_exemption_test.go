package server

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
)

// exempting compiles Exemptions that end at the times given, by name.
func exempting(t *testing.T, ends map[string]time.Time) *config.Snapshot {
	t.Helper()
	var objects config.Objects
	for name, end := range ends {
		objects.Exemptions = append(objects.Exemptions, v1alpha1.Exemption{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ExemptionSpec{
			Policies: []string{"image-tag"}, Namespaces: []string{"shop"}, Reason: "legacy", Owner: "team-a", Expires: end.Format(time.RFC3339),
		}})
	}
	return snapshotOf(t, objects)
}

func newExemption(name string) *v1alpha1.Exemption {
	e := &v1alpha1.Exemption{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 2}}
	e.Spec.Owner = "team-a"
	return e
}

// said is what a status comes to: each condition's status, reason and message.
func said(conditions []metav1.Condition) map[string][3]string {
	all := map[string][3]string{}
	for _, c := range conditions {
		all[c.Type] = [3]string{string(c.Status), c.Reason, c.Message}
	}
	return all
}

func TestStatusOfExemptions(t *testing.T) {
	end := time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)
	inForce := [3]string{"True", "InForce", "It excuses what it covers until 2027-02-01 00:00 UTC."}
	later := [3]string{"False", "ExpiresLater", "It ends at 2027-02-01 00:00 UTC."}
	gone := [3]string{"Unknown", "NotCounted", "It is not in force."}
	over := "It ended at 2027-02-01 00:00 UTC: nothing is excused any more."
	unknown := field.ErrorList{field.NotFound(field.NewPath("spec", "policies").Index(1), "imagetag")}
	for name, test := range map[string]struct {
		left     time.Duration
		problem  field.ErrorList
		inactive bool
		excuses  *audit.ExemptionUsage
		want     map[string][3]string
	}{
		"not counted yet": {20 * 24 * time.Hour, nil, false, nil, map[string][3]string{"Active": inForce, "Expiring": later}},
		"excuses": {20 * 24 * time.Hour, nil, false, &audit.ExemptionUsage{Findings: 3, Objects: 2}, map[string][3]string{
			"Active": inForce, "Expiring": later, "Needed": {"True", "Excuses", "Findings: 3, of objects: 2."}}},
		"excuses nothing": {20 * 24 * time.Hour, nil, false, &audit.ExemptionUsage{}, map[string][3]string{
			"Active": inForce, "Expiring": later, "Needed": {"False", "ExcusesNothing", "No object needs it any more: delete it."}}},
		"not all counted": {20 * 24 * time.Hour, nil, false, &audit.ExemptionUsage{NotCounted: []string{"Secret"}}, map[string][3]string{
			"Active": inForce, "Expiring": later, "Needed": {"Unknown", "NotCounted", "Nothing is excused of what could be counted. Not counted: Secret."}}},
		"expires in 14 days": {14 * 24 * time.Hour, nil, false, nil, map[string][3]string{
			"Active": inForce, "Expiring": {"True", "ExpiresSoon", "It ends at 2027-02-01 00:00 UTC. What it excuses is decided from then on; ask team-a."}}},
		"has expired": {0, nil, false, nil, map[string][3]string{
			"Active": {"False", "Expired", over}, "Expiring": {"True", "Expired", over}, "Needed": gone}},
		"partly wrong": {20 * 24 * time.Hour, unknown, false, nil, map[string][3]string{
			"Active": {"True", "PartlyInvalid", `Not all that it names is excused: spec.policies[1]: Not found: "imagetag"`}, "Expiring": later}},
		"wrong": {20 * 24 * time.Hour, unknown, true, nil, map[string][3]string{
			"Active": {"False", "Invalid", `Nothing is excused: spec.policies[1]: Not found: "imagetag"`}, "Needed": gone}},
	} {
		var writes atomic.Int32
		e := newExemption("legacy")
		c := store(t, &writes, e)
		compiled := &outcome{generations: map[key]int64{{"Exemption", "legacy"}: 2}, problems: map[key]config.Problem{}}
		ends := map[string]time.Time{"legacy": end}
		if test.inactive {
			ends = nil
		}
		compiled.snapshot = exempting(t, ends)
		if len(test.problem) > 0 {
			compiled.problems[key{"Exemption", "legacy"}] = config.Problem{Errors: test.problem, Inactive: test.inactive}
		}
		w := newStatusWriter()
		w.client, w.log = c, logr.Discard()
		w.last = func() *outcome { return compiled }
		w.now = func() time.Time { return end.Add(-test.left) }
		w.excuses = func(string, string) (*audit.ExemptionUsage, time.Time) { return test.excuses, w.now() }
		for range 2 {
			if err := w.write(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if writes.Load() != 1 {
			t.Errorf("%s: written %d times", name, writes.Load())
		}
		stored := newExemption("legacy")
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(stored), stored); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, said(stored.Status.Conditions)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if counted := stored.Status.Excuses != nil; counted != (test.excuses != nil) || stored.Status.ObservedGeneration != 2 {
			t.Errorf("%s: %+v", name, stored.Status)
		}
	}
}

func TestACountThatSaysTheSameIsNotWrittenAgain(t *testing.T) {
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	status := &v1alpha1.ExemptionStatus{}
	setExcuses(status, &audit.ExemptionUsage{Findings: 1, Objects: 1}, at)
	for name, test := range map[string]struct {
		found *audit.ExemptionUsage
		after time.Duration
		want  bool
	}{
		"the same":       {&audit.ExemptionUsage{Findings: 1, Objects: 1}, time.Minute, false},
		"the same later": {&audit.ExemptionUsage{Findings: 1, Objects: 1}, time.Hour, true},
		"another":        {&audit.ExemptionUsage{Findings: 2, Objects: 1}, time.Minute, true},
		"none":           {nil, time.Hour, false},
	} {
		s := status.DeepCopy()
		setExcuses(s, test.found, at.Add(test.after))
		if got := s.Excuses.CountedAt.After(at); got != test.want {
			t.Errorf("%s: written is %v", name, got)
		}
	}
}

func TestMetricsOfExemptions(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	compiled := &outcome{snapshot: exempting(t, map[string]time.Time{
		"a": now.Add(15 * 24 * time.Hour), "b": now.Add(14 * 24 * time.Hour), "c": now,
	})}
	registry := prometheus.NewRegistry()
	registry.MustRegister(&exemptionMetrics{
		compiled: func() *outcome { return compiled },
		counted: func() *excusesCount {
			return &excusesCount{snapshot: compiled.snapshot.ID(), excuses: map[string]*audit.ExemptionUsage{"a": {Findings: 7}}}
		},
		now: func() time.Time { return now },
	})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = metric.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"taffrail_exemption_state a in_force": 1, "taffrail_exemption_state b expiring": 1, "taffrail_exemption_state c expired": 1,
		"taffrail_exemption_expiry_timestamp_seconds a": float64(now.Add(15 * 24 * time.Hour).Unix()),
		"taffrail_exemption_expiry_timestamp_seconds b": float64(now.Add(14 * 24 * time.Hour).Unix()),
		"taffrail_exemption_expiry_timestamp_seconds c": float64(now.Unix()),
		"taffrail_exemption_excused_findings a":         7,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
