package controller

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/metrics"
)

// exempting compiles Exemptions, given by name with the time of their expiry.
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

// said returns each condition's status, reason and message.
func said(conditions []metav1.Condition) map[string][3]string {
	all := map[string][3]string{}
	for _, c := range conditions {
		all[c.Type] = [3]string{string(c.Status), c.Reason, c.Message}
	}
	return all
}

func TestStatusOfExemptions(t *testing.T) {
	end := time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)
	inForce := [3]string{"True", "InForce", "It exempts what it covers until 2027-02-01 00:00 UTC."}
	later := [3]string{"False", "ExpiresLater", "It expires at 2027-02-01 00:00 UTC."}
	gone := [3]string{"Unknown", "NotCounted", "It is not in force."}
	over := "It expired at 2027-02-01 00:00 UTC and no longer exempts anything."
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
			"Active": inForce, "Expiring": later, "Needed": {"True", "Excuses", "It exempts 3 findings in 2 objects."}}},
		"excuses nothing": {20 * 24 * time.Hour, nil, false, &audit.ExemptionUsage{}, map[string][3]string{
			"Active": inForce, "Expiring": later, "Needed": {"False", "ExcusesNothing", "No object needs it: delete it."}}},
		"not all counted": {20 * 24 * time.Hour, nil, false, &audit.ExemptionUsage{NotCounted: []string{"Secret"}}, map[string][3]string{
			"Active": inForce, "Expiring": later, "Needed": {"Unknown", "NotCounted", "None of the objects that could be counted needs it. Not counted: Secret."}}},
		"expires in 14 days": {14 * 24 * time.Hour, nil, false, nil, map[string][3]string{
			"Active": inForce, "Expiring": {"True", "ExpiresSoon", "It expires at 2027-02-01 00:00 UTC. After that, policies apply to what it exempts. Contact team-a."}}},
		"has expired": {0, nil, false, nil, map[string][3]string{
			"Active": {"False", "Expired", over}, "Expiring": {"True", "Expired", over}, "Needed": gone}},
		"partly wrong": {20 * 24 * time.Hour, unknown, false, nil, map[string][3]string{
			"Active": {"True", "PartlyInvalid", `Parts of it are not in force: spec.policies[1]: Not found: "imagetag"`}, "Expiring": later}},
		"wrong": {20 * 24 * time.Hour, unknown, true, nil, map[string][3]string{
			"Active": {"False", "Invalid", `Nothing is exempted: spec.policies[1]: Not found: "imagetag"`}, "Needed": gone}},
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
		now := end.Add(-test.left)
		w := newTestStatusWriter(c, compiled, func(o *statusOptions) {
			o.now = func() time.Time { return now }
			o.usage = func(string, string) (*audit.ExemptionUsage, time.Time) { return test.excuses, now }
		})
		for range 2 {
			if _, err := w.write(t.Context()); err != nil {
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

// A count belongs to one configuration and is not used for another.
func TestMetricsOfExemptions(t *testing.T) {
	end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	compiled := &outcome{snapshot: exempting(t, map[string]time.Time{"a": end, "b": end})}
	counted := &usageCount{snapshot: compiled.snapshot.ID(), excuses: map[string]*audit.ExemptionUsage{"a": {Findings: 7}}}
	seven := int64(7)
	want := []metrics.Exemption{{Name: "a", Until: end, Excused: &seven}, {Name: "b", Until: end}}
	if diff := cmp.Diff(want, metricsOf(compiled, counted)); diff != "" {
		t.Error(diff)
	}
	want[0].Excused = nil
	for name, counted := range map[string]*usageCount{"not counted": nil, "another configuration": {snapshot: "other", excuses: counted.excuses}} {
		if diff := cmp.Diff(want, metricsOf(compiled, counted)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := metricsOf(nil, counted); got != nil {
		t.Errorf("before anything compiled: %v", got)
	}
}

// The status of an Exemption changes when it expires, without an event, so it is written again by then.
func TestStatusIsWrittenAgainWhenAnExemptionEnds(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct{ left, want time.Duration }{
		"soon":     {20 * time.Second, 21 * time.Second},
		"later":    {time.Hour, statusInterval},
		"has been": {-time.Second, statusInterval},
	} {
		compiled := &outcome{
			generations: map[key]int64{{"Exemption", "legacy"}: 2},
			snapshot:    exempting(t, map[string]time.Time{"legacy": now.Add(test.left)}),
		}
		w := newTestStatusWriter(store(t, new(atomic.Int32), newExemption("legacy")), compiled, func(o *statusOptions) {
			o.now = func() time.Time { return now }
		})
		if again, err := w.write(t.Context()); err != nil || again != test.want {
			t.Errorf("%s: again in %s, %v", name, again, err)
		}
	}
}
