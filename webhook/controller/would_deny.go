package controller

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
	// maxCounted limits the namespaces, and the workloads, of a Guardrail that are counted separately between
	// two writes.
	maxCounted = 200
	// maxListed limits how many of them a status lists.
	maxListed = 50
	// maxName limits the length of names in a count.
	maxName = 200
)

// wouldDenyCounter counts, since the last write, admitted requests that would have been denied if Guardrails
// and the maximum mode were enforce. It holds counts only for Guardrails in force. It implements
// admission.Observer.
type wouldDenyCounter struct {
	now     func() time.Time
	metrics *metrics.WouldDeny

	mutex  sync.Mutex
	counts map[string]*count // by Guardrail
}

// count belongs to one version of a Guardrail.
type count struct {
	version    config.Version
	since      time.Time
	requests   int64
	namespaces map[string]*v1alpha1.WouldDenyNamespace
	other      int64
	fills      fillCount
}

func newWouldDenyCounter(served *metrics.WouldDeny, now func() time.Time) *wouldDenyCounter {
	return &wouldDenyCounter{now: now, metrics: served, counts: map[string]*count{}}
}

// Observe implements admission.Observer. It ignores denied requests, and dry runs because they admit nothing.
func (t *wouldDenyCounter) Observe(o *admission.Observation) {
	if o.Err != nil || o.Decision == nil || o.Verdict == decision.VerdictDeny || o.Request.DryRun {
		return
	}
	t.admitted(o.Snapshot, o.Request, o.Decision)
}

func (t *wouldDenyCounter) admitted(by *config.Snapshot, r *decision.Request, d *decision.Decision) {
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

// of returns the count for a version of a Guardrail, or nil if a later version has already been counted.
func (t *wouldDenyCounter) of(guardrail string, version config.Version) *count {
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

func (t *wouldDenyCounter) add(guardrail string, version config.Version, r *decision.Request, policies []string) {
	c := t.of(guardrail, version)
	if c == nil {
		return // decided under a previous configuration
	}
	namespace := r.Namespace.Name
	if namespace == "" {
		namespace = metrics.ClusterScoped
	}
	c.requests++
	t.metrics.Add(guardrail, namespace, policies)
	one := c.namespaces[namespace]
	if one == nil {
		if len(c.namespaces) == maxCounted {
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
	one.Last = decision.Line(r.Kind.Kind+" "+r.DisplayName(), maxName)
	one.LastTime = metav1.NewTime(t.now())
}

// take removes and returns the count of a Guardrail. It returns nil if there is none.
func (t *wouldDenyCounter) take(guardrail string) *count {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	c := t.counts[guardrail]
	delete(t.counts, guardrail)
	return c
}

// restore puts back a count that could not be written, unless the Guardrail has changed since.
func (t *wouldDenyCounter) restore(guardrail string, c *count) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	later := t.counts[guardrail]
	switch {
	case later == nil:
		t.counts[guardrail] = c
	case later.version == c.version:
		later.merge(c)
	}
}

// merge adds an earlier count of the same version.
func (c *count) merge(earlier *count) {
	c.since = earlier.since
	c.requests += earlier.requests
	c.other += earlier.other
	c.fills.merge(&earlier.fills)
	for name, old := range earlier.namespaces {
		switch one := c.namespaces[name]; {
		case one != nil:
			addTo(one, old)
		case len(c.namespaces) < maxCounted:
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

// forget removes the counts of Guardrails that no longer exist.
func (t *wouldDenyCounter) forget(exists func(guardrail string) bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for guardrail := range t.counts {
		if !exists(guardrail) {
			delete(t.counts, guardrail)
		}
	}
	t.metrics.Forget(exists)
}
