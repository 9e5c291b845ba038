package audit

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unique"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// counters counts decisions by why they were made.
type counters struct{ watched, listed, again atomic.Int64 }

func (c *counters) decided(as how) {
	switch as {
	case inWatch:
		c.watched.Add(1)
	case inList:
		c.listed.Add(1)
	case again:
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
	// Complete is true once every kind was read that can be.
	Complete bool
	// Since is since when a change waits to be decided. It is zero if none does.
	Since time.Time
	// Completed is when the oldest of the passes over a whole kind ended that the findings are from. It is zero before
	// the first.
	Completed time.Time
	// Objects and Undecided count the objects by kind.
	Objects   map[schema.GroupKind]int
	Undecided int
	// Unread has the bound kinds that cannot be read, sorted.
	Unread []Unread
}

// maxLag is how long a change may wait until the findings are no longer current. Some changes, such as those of the usage
// of a ResourceQuota, follow one another all the time.
const maxLag = time.Minute

// Current reports whether nothing waits to be decided for longer than maxLag.
func (s *State) Current(now time.Time) bool {
	return s.Complete && (s.Since.IsZero() || now.Sub(s.Since) < maxLag)
}

// State returns the present State.
func (a *Auditor) State() State {
	s := State{
		Decisions: Decisions{a.counters.watched.Load(), a.counters.listed.Load(), a.counters.again.Load()},
		Complete:  a.current.Load() != nil, Objects: map[schema.GroupKind]int{},
	}
	a.mutex.Lock()
	for kind, err := range a.unserved {
		s.Unread = append(s.Unread, Unread{Kind: kind, NotServed: true, Err: err})
	}
	// Configure may have put a configuration into force whose kinds have not been looked at yet.
	s.Complete = s.Complete && len(a.kinds)+len(a.unserved) > 0
	a.mutex.Unlock()
	for _, k := range a.running() {
		kind, state, all := k.mapping.GroupVersionKind.GroupKind(), kindState{}, tally{}
		k.mutex.Lock()
		state = k.state
		for _, t := range k.tallies {
			all.objects += t.objects
			all.undecided += t.undecided
		}
		k.mutex.Unlock()
		s.Complete = s.Complete && state.read
		s.Objects[kind] = all.objects
		s.Undecided += all.undecided
		if state.unread != nil {
			s.Unread = append(s.Unread, Unread{Kind: kind, Err: state.unread})
			continue
		}
		waiting := k.backlog.waiting()
		if !state.read {
			waiting = a.began
		}
		if !waiting.IsZero() && (s.Since.IsZero() || waiting.Before(s.Since)) {
			s.Since = waiting
		}
		if !state.completed.IsZero() && (s.Completed.IsZero() || state.completed.Before(s.Completed)) {
			s.Completed = state.completed
		}
	}
	slices.SortFunc(s.Unread, func(x, y Unread) int { return compareKinds(x.Kind, y.Kind) })
	return s
}

func (k *kindAuditor) tallyOf(namespace string) tally {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.tallies[unique.Make(namespace)]
}

// PolicyFindings counts the findings of a policy under a Guardrail.
type PolicyFindings struct {
	Policy string
	Mode   decision.Mode
	// Findings are in Objects objects.
	Findings, Objects int
}

// GuardrailFindings is what was found under one Guardrail.
type GuardrailFindings struct {
	// Objects counts those that the Guardrail applies to, and Violating those with a finding.
	Objects, Violating int
	// Policies is sorted by policy and mode.
	Policies []PolicyFindings
}

// ByGuardrail returns what was found under each Guardrail in force. namespaces are the existing ones.
func (a *Auditor) ByGuardrail(namespaces []decision.Namespace) map[string]*GuardrailFindings {
	decider := a.current.Load()
	if decider == nil {
		return nil
	}
	all := map[string]*GuardrailFindings{}
	for _, g := range decider.Snapshot().Guardrails() {
		all[g.Name] = &GuardrailFindings{Objects: a.objectsOf(g, namespaces)}
	}
	type key struct {
		policy string
		mode   decision.Mode
	}
	counted := map[string]map[key]*PolicyFindings{}
	a.found.each(func(_ string, object *finding) {
		seen := map[string]map[key]bool{}
		for i := range object.all {
			f := &object.all[i]
			for _, name := range strings.Split(f.guardrails.Value(), ",") {
				if all[name] == nil {
					continue
				}
				if seen[name] == nil {
					seen[name] = map[key]bool{}
					all[name].Violating++
				}
				if counted[name] == nil {
					counted[name] = map[key]*PolicyFindings{}
				}
				k := key{f.policy.Value(), f.mode}
				if counted[name][k] == nil {
					counted[name][k] = &PolicyFindings{Policy: k.policy, Mode: k.mode}
				}
				counted[name][k].Findings++
				if !seen[name][k] {
					seen[name][k] = true
					counted[name][k].Objects++
				}
			}
		}
	})
	for name, policies := range counted {
		for _, p := range policies {
			all[name].Policies = append(all[name].Policies, *p)
		}
		slices.SortFunc(all[name].Policies, func(x, y PolicyFindings) int {
			return cmp.Or(strings.Compare(x.Policy, y.Policy), cmp.Compare(x.Mode, y.Mode))
		})
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
		kind := k.mapping.GroupVersionKind.GroupKind()
		if !slices.ContainsFunc(g.Bindings, func(b config.Binding) bool { return slices.Contains(b.Policy.Kinds, kind) }) {
			continue
		}
		k.mutex.Lock()
		for namespace, t := range k.tallies {
			if covered[namespace] {
				n += t.objects
			}
		}
		k.mutex.Unlock()
	}
	return n
}
