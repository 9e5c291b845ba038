package config

import (
	"slices"
	"time"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// limits restricts the Exemptions that a Guardrail honors.
type limits struct {
	// maxDuration limits how long an Exemption is honored; 0 means no limit.
	maxDuration time.Duration
	never       []string
}

// newLimits ignores a duration that does not parse; checkExemptionLimits reports it.
func newLimits(l *v1alpha1.ExemptionLimits) limits {
	if l == nil {
		return limits{}
	}
	most, _ := time.ParseDuration(l.MaxDuration)
	return limits{maxDuration: most, never: l.Never}
}

// honors reports whether an Exemption that is in force at a time exempts from a policy of the
// Guardrail.
func (g *Guardrail) honors(e *Exemption, policy string, now time.Time) bool {
	if slices.Contains(g.limits.never, policy) {
		return false
	}
	return g.limits.maxDuration <= 0 || now.Before(g.honoredUntil(e, policy, now))
}

// honoredUntil returns the moment at which the Guardrail stops honoring an Exemption from a
// policy, or the zero Time if it never honors it. An Exemption that is not stored yet is
// treated as if it were created now; if it would then last too long, it is never honored.
func (g *Guardrail) honoredUntil(e *Exemption, policy string, now time.Time) time.Time {
	switch {
	case slices.Contains(g.limits.never, policy):
		return time.Time{}
	case g.limits.maxDuration <= 0:
		return e.Until
	case e.Created.IsZero() && e.Until.After(now.Add(g.limits.maxDuration)):
		return time.Time{}
	case e.Created.IsZero() || e.Until.Before(e.Created.Add(g.limits.maxDuration)):
		return e.Until
	}
	return e.Created.Add(g.limits.maxDuration)
}

// Honored states until when a Guardrail honors an Exemption from one of its policies.
type Honored struct {
	Guardrail, Policy string
	// Until is the moment at which it ends, or the zero Time if the Exemption is never
	// honored.
	Until time.Time
}

// Honored returns an entry for each Guardrail that binds one of the Exemption's policies in
// one of its namespaces, in the order of Guardrails and policies.
func (s Guardrails) Honored(e *Exemption, namespaceOf func(name string) decision.Namespace, now time.Time) (all []Honored) {
	for _, g := range s {
		if !slices.ContainsFunc(e.Namespaces, func(name string) bool { return name == AnyNamespace || g.Covers(namespaceOf(name)) }) {
			continue
		}
		for _, policy := range e.Policies {
			if g.binds(e, policy) {
				all = append(all, Honored{Guardrail: g.Name, Policy: policy, Until: g.honoredUntil(e, policy, now)})
			}
		}
	}
	return all
}

// binds reports whether the Guardrail binds a policy for objects that the Exemption matches,
// disregarding namespaces and names.
func (g *Guardrail) binds(e *Exemption, policy string) bool {
	return slices.ContainsFunc(g.Bindings, func(b Binding) bool {
		return b.Policy.ID == policy && slices.ContainsFunc(b.Policy.Kinds, e.CoversKind)
	})
}

// End returns the moment at which an Exemption ends in all Guardrails that bind its policies,
// or its expiry if none does.
func (e *Exemption) End(honored []Honored) time.Time {
	if len(honored) == 0 {
		return e.Until
	}
	var end time.Time
	for _, h := range honored {
		if h.Until.After(end) {
			end = h.Until
		}
	}
	return end
}
