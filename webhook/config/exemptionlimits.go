package config

import (
	"slices"
	"time"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// limits are what Exemptions may do with a Guardrail.
type limits struct {
	// most is how long an Exemption is honoured; 0 is without limit.
	most  time.Duration
	never []string
}

// newLimits leaves a duration that does not parse out: that is reported where the
// Guardrail is checked.
func newLimits(l *v1alpha1.ExemptionLimits) limits {
	if l == nil {
		return limits{}
	}
	most, _ := time.ParseDuration(l.MaxDuration)
	return limits{most: most, never: l.Never}
}

// Honours reports whether an Exemption excuses from a policy of the Guardrail at a moment at
// which it is in force.
func (g *Guardrail) Honours(e *Exemption, policy string, now time.Time) bool {
	if slices.Contains(g.limits.never, policy) {
		return false
	}
	return g.limits.most <= 0 || now.Before(g.HonouredUntil(e, policy, now))
}

// HonouredUntil returns the first moment at which an Exemption does not excuse from a policy
// of the Guardrail, the zero Time if it never does. One that is not stored yet is taken for
// one that is stored now, which nobody could if it lasted too long.
func (g *Guardrail) HonouredUntil(e *Exemption, policy string, now time.Time) time.Time {
	switch {
	case slices.Contains(g.limits.never, policy):
		return time.Time{}
	case g.limits.most <= 0:
		return e.Until
	case e.Created.IsZero() && e.Until.After(now.Add(g.limits.most)):
		return time.Time{}
	case e.Created.IsZero() || e.Until.Before(e.Created.Add(g.limits.most)):
		return e.Until
	}
	return e.Created.Add(g.limits.most)
}

// Honoured is what a Guardrail makes of an Exemption from one of its policies.
type Honoured struct {
	Guardrail, Policy string
	// Until is the first moment at which the policy is not excused, the zero Time if it
	// never is.
	Until time.Time
}

// Honoured lists what the Guardrails make of an Exemption that bind its policies in one of its
// namespaces, by Guardrail and policy.
func (s Guardrails) Honoured(e *Exemption, namespaceOf func(name string) decision.Namespace, now time.Time) (all []Honoured) {
	for _, g := range s {
		if !slices.ContainsFunc(e.Namespaces, func(name string) bool { return name == AnyNamespace || g.Covers(namespaceOf(name)) }) {
			continue
		}
		for _, policy := range e.Policies {
			if g.binds(e, policy) {
				all = append(all, Honoured{Guardrail: g.Name, Policy: policy, Until: g.HonouredUntil(e, policy, now)})
			}
		}
	}
	return all
}

// binds reports whether the Guardrail asks for a policy of objects that the Exemption covers,
// as far as that depends on neither namespaces nor names.
func (g *Guardrail) binds(e *Exemption, policy string) bool {
	return slices.ContainsFunc(g.Bindings, func(b Binding) bool {
		return b.Policy.ID == policy && slices.ContainsFunc(b.Policy.Kinds, e.CoversKind)
	})
}

// End returns the first moment at which nothing is excused: where Guardrails bind its policies,
// the last of them decides.
func (e *Exemption) End(honoured []Honoured) time.Time {
	if len(honoured) == 0 {
		return e.Until
	}
	var end time.Time
	for _, h := range honoured {
		if h.Until.After(end) {
			end = h.Until
		}
	}
	return end
}
