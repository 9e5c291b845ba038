package controller

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/metrics"
)

// snapshotAt returns a configuration with the Guardrail g in one version.
func snapshotAt(t *testing.T, version config.Version) *config.Snapshot {
	t.Helper()
	g := newGuardrail("g", version.Generation)
	g.UID, g.Spec.Policies = version.UID, []v1alpha1.PolicyBinding{{Name: "image-tag"}}
	return snapshotOf(t, config.Objects{Guardrails: []v1alpha1.Guardrail{*g}})
}

// wouldDeny returns an admitted request that g would deny because of the given policies.
func wouldDeny(by *config.Snapshot, namespace string, policies ...string) *admission.Observation {
	d := &decision.Decision{Verdict: decision.VerdictAllow}
	for _, policy := range policies {
		d.Findings = append(d.Findings, decision.Finding{Policy: policy, Mode: decision.ModeAudit, WouldDeny: true, WouldDenyBy: []string{"g"}})
	}
	return &admission.Observation{
		Path: admission.ValidatePath, Snapshot: by, Decision: d, Verdict: d.Verdict,
		Request: &decision.Request{
			Origin: decision.OriginValidating, Name: "web", Namespace: decision.Namespace{Name: namespace},
			Kind: schema.GroupVersionKind{Kind: "Deployment"},
		},
	}
}

// clockAt returns a clock that advances only when the test says so.
func clockAt(start time.Time) (now func() time.Time, advance func(time.Duration)) {
	at := start
	return func() time.Time { return at }, func(d time.Duration) { at = at.Add(d) }
}

func newTestCounter(now func() time.Time) *wouldDenyCounter {
	return newWouldDenyCounter(metrics.NewWouldDeny(prometheus.NewRegistry()), now)
}

var midnight = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

func TestRequestsAreCountedByNamespaceAndPolicy(t *testing.T) {
	now, advance := clockAt(midnight)
	c, by := newTestCounter(now), snapshotAt(t, config.Version{Generation: 1})
	c.Observe(wouldDeny(by, "shop", "p", "q", "p")) // two findings of one policy count as one request
	advance(time.Minute)
	c.Observe(wouldDeny(by, "shop", "p"))
	c.Observe(wouldDeny(by, "", "p"))
	got := c.take("g")
	if got == nil || got.requests != 3 || got.other != 0 || !got.since.Equal(midnight) {
		t.Fatalf("got %+v", got)
	}
	later := metav1.NewTime(midnight.Add(time.Minute))
	want := map[string]*v1alpha1.WouldDenyNamespace{
		"shop": {Name: "shop", Requests: 2, Policies: map[string]int64{"p": 2, "q": 1}, Last: "Deployment web", LastTime: later},
		"-":    {Name: "-", Requests: 1, Policies: map[string]int64{"p": 1}, Last: "Deployment web", LastTime: later},
	}
	if diff := cmp.Diff(want, got.namespaces); diff != "" {
		t.Error(diff)
	}
	if again := c.take("g"); again != nil {
		t.Errorf("what was taken is counted still: %+v", again)
	}
}

func TestWhatIsNotAdmittedIsNotCounted(t *testing.T) {
	c, by := newTestCounter(time.Now), snapshotAt(t, config.Version{Generation: 1})
	for name, change := range map[string]func(*admission.Observation){
		"an error":         func(o *admission.Observation) { o.Err = errors.New("late") },
		"not decided":      func(o *admission.Observation) { o.Decision = nil },
		"denied":           func(o *admission.Observation) { o.Verdict = decision.VerdictDeny },
		"a dry run":        func(o *admission.Observation) { o.Request.DryRun = true },
		"would not deny":   func(o *admission.Observation) { o.Decision.Findings[0].WouldDeny = false },
		"by nobody":        func(o *admission.Observation) { o.Decision.Findings[0].WouldDenyBy = nil },
		"by one that went": func(o *admission.Observation) { o.Decision.Findings[0].WouldDenyBy = []string{"gone"} },
		"denies":           func(o *admission.Observation) { o.Decision.Findings[0].Mode = decision.ModeEnforce },
	} {
		o := wouldDeny(by, "shop", "p")
		change(o)
		c.Observe(o)
		if got := c.take("g"); got != nil {
			t.Errorf("%s: counted %+v", name, got)
		}
		if got := c.take("gone"); got != nil {
			t.Errorf("%s: counted for a Guardrail that is not in force: %+v", name, got)
		}
	}
}

// Beyond the limit, new namespaces share one count; known ones keep their own.
func TestNamespacesOfACountAreLimited(t *testing.T) {
	c, by := newTestCounter(time.Now), snapshotAt(t, config.Version{Generation: 1})
	for i := range maxCounted + 3 {
		c.Observe(wouldDeny(by, fmt.Sprint("n-", i), "p"))
	}
	c.Observe(wouldDeny(by, "n-0", "p"))
	got := c.take("g")
	if got.requests != maxCounted+4 || got.other != 3 || len(got.namespaces) != maxCounted || got.namespaces["n-0"].Requests != 2 {
		t.Errorf("%d requests, %d of them elsewhere, in %d namespaces", got.requests, got.other, len(got.namespaces))
	}
}

// A replica may briefly decide under an older configuration.
func TestACountBelongsToTheLatestVersion(t *testing.T) {
	c := newTestCounter(time.Now)
	first, second := snapshotAt(t, config.Version{UID: "a", Generation: 1}), snapshotAt(t, config.Version{UID: "a", Generation: 2})
	anew := snapshotAt(t, config.Version{UID: "b", Generation: 1})
	for _, step := range []struct {
		by       *config.Snapshot
		requests int64
		version  config.Version
	}{
		{first, 1, config.Version{UID: "a", Generation: 1}},
		{first, 2, config.Version{UID: "a", Generation: 1}},
		{second, 1, config.Version{UID: "a", Generation: 2}},
		{first, 1, config.Version{UID: "a", Generation: 2}},
		{anew, 1, config.Version{UID: "b", Generation: 1}},
	} {
		c.Observe(wouldDeny(step.by, "shop", "p"))
		got := c.take("g")
		if got.requests != step.requests || got.version != step.version {
			t.Errorf("%+v: got %d requests of %+v", step, got.requests, got.version)
		}
		c.restore("g", got)
	}
	c.forget(func(string) bool { return true })
	if got := c.take("g"); got == nil {
		t.Error("the count of a Guardrail that exists is gone")
	} else {
		c.restore("g", got)
	}
	c.forget(func(string) bool { return false })
	if got := c.take("g"); got != nil {
		t.Errorf("a Guardrail that is gone still has %+v", got)
	}
}

// A restored count is added to the newer one: no request is lost or counted twice.
func TestWhatIsRestoredIsMerged(t *testing.T) {
	now, advance := clockAt(midnight)
	c, by := newTestCounter(now), snapshotAt(t, config.Version{Generation: 1})
	c.Observe(wouldDeny(by, "both", "p", "q"))
	c.Observe(wouldDeny(by, "earlier", "p"))
	taken := c.take("g")
	advance(time.Hour)
	for i := range maxCounted - 1 {
		c.Observe(wouldDeny(by, fmt.Sprint("n-", i), "p"))
	}
	c.Observe(wouldDeny(by, "both", "p"))
	c.restore("g", taken)
	got := c.take("g")
	if got.requests != maxCounted+2 || got.other != 1 || len(got.namespaces) != maxCounted || !got.since.Equal(midnight) {
		t.Errorf("%d requests since %s, %d of them elsewhere, in %d namespaces", got.requests, got.since, got.other, len(got.namespaces))
	}
	want := &v1alpha1.WouldDenyNamespace{
		Name: "both", Requests: 2, Policies: map[string]int64{"p": 2, "q": 1}, Last: "Deployment web", LastTime: metav1.NewTime(midnight.Add(time.Hour)),
	}
	if diff := cmp.Diff(want, got.namespaces["both"]); diff != "" {
		t.Error(diff)
	}
}

func TestACountOfAnotherVersionIsNotRestored(t *testing.T) {
	for name, version := range map[string]config.Version{
		"changed":   {UID: "a", Generation: 2},
		"made anew": {UID: "b", Generation: 1},
	} {
		c := newTestCounter(time.Now)
		c.Observe(wouldDeny(snapshotAt(t, config.Version{UID: "a", Generation: 1}), "shop", "p"))
		taken := c.take("g")
		c.Observe(wouldDeny(snapshotAt(t, version), "shop", "p"))
		c.restore("g", taken)
		if got := c.take("g"); got.requests != 1 || got.version != version {
			t.Errorf("%s: got %d requests of %+v", name, got.requests, got.version)
		}
	}
}

// countOf returns a count of one generation with one request in each namespace, and two in the last.
func countOf(generation int64, namespaces int) *count {
	c := &count{version: config.Version{Generation: generation}, since: midnight, namespaces: map[string]*v1alpha1.WouldDenyNamespace{}}
	for i := range namespaces {
		name, requests := fmt.Sprintf("n-%03d", i), int64(1)
		if i == namespaces-1 {
			requests = 2
		}
		c.requests += requests
		c.namespaces[name] = &v1alpha1.WouldDenyNamespace{Name: name, Requests: requests, Policies: map[string]int64{"p": requests}}
	}
	return c
}

func TestWhatIsStoredListsTheNamespacesWithTheMostRequests(t *testing.T) {
	var status v1alpha1.GuardrailStatus
	counted := countOf(1, maxListed+10)
	counted.other, counted.requests = 5, counted.requests+5
	for range 2 {
		if !addCount(&status, counted) {
			t.Fatal("nothing was added")
		}
	}
	got := status.WouldDeny
	if got.Requests != 2*counted.requests || len(got.Namespaces) != maxListed || !got.Since.Time.Equal(midnight) || got.Generation != 1 {
		t.Errorf("%d requests since %s, %d namespaces", got.Requests, got.Since, len(got.Namespaces))
	}
	if first := got.Namespaces[0]; first.Name != "n-059" || first.Requests != 4 || first.Policies["p"] != 4 {
		t.Errorf("the first is %+v", first)
	}
	listed := int64(0)
	for _, n := range got.Namespaces {
		listed += n.Requests
	}
	if listed+got.OtherRequests != got.Requests {
		t.Errorf("%d requests are listed and %d are not, of %d", listed, got.OtherRequests, got.Requests)
	}
}

func TestWhatIsStoredBelongsToTheLatestVersion(t *testing.T) {
	var status v1alpha1.GuardrailStatus
	for _, step := range []struct {
		name     string
		counted  *count
		added    bool
		requests int64
		of       int64
	}{
		{"nothing, the first time", countOf(1, 0), true, 0, 1},
		{"nothing again", countOf(1, 0), false, 0, 1},
		{"one namespace", countOf(1, 1), true, 2, 1},
		{"a newer version", countOf(2, 2), true, 3, 2},
		{"an older version", countOf(1, 1), false, 3, 2},
	} {
		if added := addCount(&status, step.counted); added != step.added {
			t.Errorf("%s: added: %v", step.name, added)
		}
		if got := status.WouldDeny; got.Requests != step.requests || got.Generation != step.of {
			t.Errorf("%s: %d requests of generation %d", step.name, got.Requests, got.Generation)
		}
	}
}
