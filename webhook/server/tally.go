package server

import (
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/metrics"
)

const (
	// mostTallied is how many namespaces of a Guardrail are told apart between two writes.
	mostTallied = 200
	// mostListed is how many a status lists.
	mostListed  = 50
	longestName = 200
)

// tally counts what was admitted and would have been denied if Guardrails and the ceiling
// were to enforce, since the last write. What it holds is bounded by the Guardrails in force.
type tally struct {
	now     func() time.Time
	metrics *metrics.WouldDeny

	mutex  sync.Mutex
	counts map[string]*count // by Guardrail
}

// count is of one version of a Guardrail.
type count struct {
	version    config.Version
	since      time.Time
	requests   int64
	namespaces map[string]*v1alpha1.WouldDenyNamespace
	other      int64
	fills      fillCount
}

func newTally(served *metrics.WouldDeny, now func() time.Time) *tally {
	return &tally{now: now, metrics: served, counts: map[string]*count{}}
}

// Observe implements admission.Observer. What was denied is no dry run of enforcement, and dry
// runs of requests admit nothing.
func (t *tally) Observe(o *admission.Observation) {
	if o.Err != nil || o.Decision == nil || o.Verdict == decision.VerdictDeny || o.Request.DryRun {
		return
	}
	t.admitted(o.Snapshot, o.Request, o.Decision)
}

func (t *tally) admitted(by *config.Snapshot, r *decision.Request, d *decision.Decision) {
	if r.Origin == decision.OriginMutating {
		t.filled(by, r, d)
		return
	}
	denied := map[string][]string{} // policies by Guardrail
	for i := range d.Findings {
		f := &d.Findings[i]
		if !f.WouldDeny || f.Denies() {
			continue
		}
		for _, guardrail := range f.WouldDenyBy {
			if !slices.Contains(denied[guardrail], f.Policy) {
				denied[guardrail] = append(denied[guardrail], f.Policy)
			}
		}
	}
	if len(denied) == 0 {
		return
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	versions := by.Versions()
	for guardrail, policies := range denied {
		if version, known := versions[guardrail]; known {
			t.add(guardrail, version, r, policies)
		}
	}
}

// of returns the count of a version of a Guardrail, and nil for one that is no longer in force.
func (t *tally) of(guardrail string, version config.Version) *count {
	c := t.counts[guardrail]
	switch {
	case c == nil, c.version.UID != version.UID, c.version.Generation < version.Generation:
		c = &count{version: version, since: t.now(), namespaces: map[string]*v1alpha1.WouldDenyNamespace{}}
		t.counts[guardrail] = c
	case c.version.Generation > version.Generation:
		return nil
	}
	return c
}

func (t *tally) add(guardrail string, version config.Version, r *decision.Request, policies []string) {
	c := t.of(guardrail, version)
	if c == nil {
		return // decided by a configuration that is no longer in force
	}
	namespace := r.Namespace.Name
	if namespace == "" {
		namespace = metrics.ClusterScoped
	}
	c.requests++
	t.metrics.Add(guardrail, namespace, policies)
	one := c.namespaces[namespace]
	if one == nil {
		if len(c.namespaces) == mostTallied {
			c.other++
			return
		}
		one = &v1alpha1.WouldDenyNamespace{Name: namespace, Policies: map[string]int64{}}
		c.namespaces[namespace] = one
	}
	one.Requests++
	for _, policy := range policies {
		one.Policies[policy]++
	}
	one.Last = decision.Line(r.Kind.Kind+" "+r.DisplayName(), longestName)
	one.LastTime = metav1.NewTime(t.now())
}

// take hands over what was counted for a Guardrail; nil where nothing was.
func (t *tally) take(guardrail string) *count {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	c := t.counts[guardrail]
	delete(t.counts, guardrail)
	return c
}

// giveBack counts again what could not be written, unless the Guardrail has become another
// in the meantime.
func (t *tally) giveBack(guardrail string, c *count) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	since := t.counts[guardrail]
	switch {
	case since == nil:
		t.counts[guardrail] = c
	case since.version == c.version:
		since.merge(c)
	}
}

func (c *count) merge(earlier *count) {
	c.since = earlier.since
	c.requests += earlier.requests
	c.other += earlier.other
	c.fills.merge(&earlier.fills)
	for name, old := range earlier.namespaces {
		switch one := c.namespaces[name]; {
		case one != nil:
			addTo(one, old)
		case len(c.namespaces) < mostTallied:
			c.namespaces[name] = old
		default:
			c.other += old.Requests
		}
	}
}

// addTo adds another count of the same namespace.
func addTo(to, more *v1alpha1.WouldDenyNamespace) {
	to.Requests += more.Requests
	policies := maps.Clone(to.Policies)
	if policies == nil {
		policies = map[string]int64{}
	}
	for policy, n := range more.Policies {
		policies[policy] += n
	}
	to.Policies = policies
	if to.LastTime.Before(&more.LastTime) {
		to.Last, to.LastTime = more.Last, more.LastTime
	}
}

// forget drops what is left of Guardrails that are gone.
func (t *tally) forget(exists func(guardrail string) bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for guardrail := range t.counts {
		if !exists(guardrail) {
			delete(t.counts, guardrail)
		}
	}
	t.metrics.Forget(exists)
}
