package audit

import (
	"slices"
	"sync/atomic"
	"time"
	"unique"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// counters counts decisions by why they were made.
type counters struct{ changed, listed, again atomic.Int64 }

func (c *counters) decided(why cause) {
	switch why {
	case causeChanged:
		c.changed.Add(1)
	case causeListed:
		c.listed.Add(1)
	case causeAgain:
		c.again.Add(1)
	}
}

// Decisions counts the decisions of an Auditor.
type Decisions struct {
	// Changed counts those about objects that had just changed, Listed those when a kind was read, and Again those
	// about unchanged objects, because something else had changed.
	Changed, Listed, Again int64
}

// State is how current the findings of an Auditor are.
type State struct {
	Decisions Decisions
	// Complete is true once every bound kind was read, or is known not to be readable. It is true if no kind is bound.
	Complete bool
	// Since is since when a change waits to be decided, or the API server does not answer. It is zero if neither is so.
	Since time.Time
	// Completed is when the oldest of the passes over a whole kind ended that the findings are from. It is zero before
	// the first.
	Completed time.Time
	// Objects and Undecided count the objects by kind.
	Objects   map[schema.GroupKind]int
	Undecided int
	// Unread has the bound kinds that cannot be read, or of which changes cannot, sorted.
	Unread []Unread
}

// maxLag is how long a change may wait, or requests may fail, until the findings are no longer current. Some changes, such
// as those of the usage of a ResourceQuota, follow one another all the time.
const maxLag = time.Minute

// Current reports whether nothing waits to be decided for longer than maxLag.
func (s *State) Current(now time.Time) bool {
	return s.Complete && (s.Since.IsZero() || now.Sub(s.Since) < maxLag)
}

// State returns the present State.
func (a *Auditor) State() State {
	now := a.now()
	s := State{
		Decisions: Decisions{a.counters.changed.Load(), a.counters.listed.Load(), a.counters.again.Load()},
		Objects:   map[schema.GroupKind]int{},
	}
	a.mutex.Lock()
	s.Complete = a.reconciled
	for kind, f := range a.unserved {
		served := !meta.IsNoMatchError(f.err)
		if served {
			// Whether it is served is not known.
			s.Complete, s.Since = false, earliest(s.Since, f.since)
		}
		s.Unread = append(s.Unread, Unread{Kind: kind, NotServed: !served, Err: f.err})
	}
	a.mutex.Unlock()
	for _, k := range a.running() {
		all := tally{}
		k.mutex.Lock()
		state := k.state
		for _, t := range k.tallies {
			all.objects += t.objects
			all.undecided += t.undecided
		}
		k.mutex.Unlock()
		s.Complete = s.Complete && state.read
		s.Objects[k.kind] = all.objects
		s.Undecided += all.undecided
		since, reason := state.unread(now)
		if reason != nil {
			s.Unread = append(s.Unread, Unread{Kind: k.kind, Err: reason})
		}
		if Refused(reason) {
			continue // it waits for somebody else
		}
		if !state.read {
			since = k.began
		}
		s.Since = earliest(s.Since, earliest(since, k.backlog.waiting()))
		s.Completed = earliest(s.Completed, state.completed)
	}
	slices.SortFunc(s.Unread, func(x, y Unread) int { return compareKinds(x.Kind, y.Kind) })
	return s
}

// ByGuardrail returns what was found under each Guardrail in force, or nil before the first configuration. namespaces are
// the existing ones.
func (a *Auditor) ByGuardrail(namespaces []decision.Namespace) map[string]*GuardrailFindings {
	decider := a.current.Load()
	if decider == nil {
		return nil
	}
	all := map[string]*GuardrailFindings{}
	for _, g := range decider.Snapshot().Guardrails() {
		found := a.found.counted(g.Name)
		found.Objects = a.objectsOf(g, namespaces)
		all[g.Name] = found
	}
	return all
}

// objectsOf counts the objects that a Guardrail applies to.
func (a *Auditor) objectsOf(g *config.Guardrail, namespaces []decision.Namespace) (n int) {
	covered := map[unique.Handle[string]]bool{unique.Make(""): g.Covers(decision.Namespace{Known: true})}
	for _, namespace := range namespaces {
		covered[unique.Make(namespace.Name)] = g.Covers(namespace)
	}
	for _, k := range a.running() {
		if !slices.ContainsFunc(g.Bindings, func(b config.Binding) bool { return slices.Contains(b.Policy.Kinds, k.kind) }) {
			continue
		}
		k.mutex.Lock()
		for place, t := range k.tallies {
			if covered[place] {
				n += t.objects
			}
		}
		k.mutex.Unlock()
	}
	return n
}
