package config

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// Loss is what a Guardrail holds of a namespace and, under other labels, would not any
// more.
type Loss struct {
	Guardrail string
	// Mode is the strictest of what is lost.
	Mode decision.Mode
	// Policies that are lost under that mode, by id, sorted.
	Policies []string
	// Labels are those that change and that the Guardrail selects by, or the webhooks if
	// Unsent, sorted.
	Labels []string
	// Unsent is true if the webhooks no longer select the namespace. The Guardrail itself may.
	Unsent bool
}

// Losses compares what binds a namespace under its labels before and after, each binding
// under the ceiling; 0 is no ceiling. A binding is not lost where another Guardrail that
// selects the namespace afterwards holds the same policy with the same parameters at least
// as strictly: under no weaker mode, tolerating no more, and trusting nobody else.
//
// webhooks are the selectors by which the API server is told what to ask about. A namespace
// that leaves one of them loses every binding that it had: which of them the webhook was
// asked about is not looked at.
func (s Guardrails) Losses(before, after decision.Namespace, ceiling decision.Mode, webhooks ...labels.Selector) []Loss {
	unsent := leaves(webhooks, before, after)
	var selecting Guardrails
	for _, g := range s {
		if g.Covers(after) && len(unsent) == 0 {
			selecting = append(selecting, g)
		}
	}
	var losses []Loss
	for _, g := range s {
		if !g.Covers(before) || g.Covers(after) && len(unsent) == 0 {
			continue
		}
		loss := Loss{Guardrail: g.Name, Labels: labelsChanged(g.selector, before, after)}
		if g.Covers(after) {
			loss.Unsent = true
			for _, selector := range unsent {
				loss.Labels = append(loss.Labels, labelsChanged(selector, before, after)...)
			}
			slices.Sort(loss.Labels)
			loss.Labels = slices.Compact(loss.Labels)
		}
		for _, b := range g.Bindings {
			if mode := under(ceiling, b.Mode); !selecting.hold(g, b, mode, ceiling) {
				loss.add(b.Policy.ID, mode)
			}
		}
		if loss.Mode > 0 {
			slices.Sort(loss.Policies)
			loss.Policies = slices.Compact(loss.Policies)
			losses = append(losses, loss)
		}
	}
	return losses
}

// Unseen is the most that may be lost where nobody knows a namespace's labels: the
// strictest mode of all Guardrails that do not exclude it, and who binds under it.
func (s Guardrails) Unseen(name string, ceiling decision.Mode) (strictest decision.Mode, guardrails []string) {
	for _, g := range s {
		if slices.Contains(g.exclude, name) {
			continue
		}
		for _, b := range g.Bindings {
			mode := under(ceiling, b.Mode)
			if mode > strictest {
				strictest, guardrails = mode, nil
			}
			if mode == strictest && !slices.Contains(guardrails, g.Name) {
				guardrails = append(guardrails, g.Name)
			}
		}
	}
	return strictest, guardrails
}

// Covers reports whether the Guardrail selects a namespace, or may.
func (g *Guardrail) Covers(namespace decision.Namespace) bool {
	matches, _ := g.selectsNamespace(namespace)
	return matches
}

// hold tells whether one of the Guardrails binds as strictly as from does.
func (s Guardrails) hold(from *Guardrail, b Binding, mode, ceiling decision.Mode) bool {
	return slices.ContainsFunc(s, func(g *Guardrail) bool {
		return (from.tolerate || !g.tolerate) && trustsNoMore(g.trusted, from.trusted) &&
			slices.ContainsFunc(g.Bindings, func(other Binding) bool {
				return other.Slot == b.Slot && under(ceiling, other.Mode) >= mode
			})
	})
}

func trustsNoMore(a, than v1alpha1.TrustedWriters) bool {
	outside := func(all []string) func(string) bool {
		return func(name string) bool { return !slices.Contains(all, name) }
	}
	return !slices.ContainsFunc(a.Users, outside(than.Users)) && !slices.ContainsFunc(a.Groups, outside(than.Groups))
}

func (l *Loss) add(policy string, mode decision.Mode) {
	if mode > l.Mode {
		l.Mode, l.Policies = mode, nil
	}
	if mode == l.Mode {
		l.Policies = append(l.Policies, policy)
	}
}

// leaves returns the selectors that match a namespace before and not after.
func leaves(selectors []labels.Selector, before, after decision.Namespace) []labels.Selector {
	var left []labels.Selector
	for _, selector := range selectors {
		if selector.Matches(namespaceLabels(before)) && !selector.Matches(namespaceLabels(after)) {
			left = append(left, selector)
		}
	}
	return left
}

func labelsChanged(selector labels.Selector, before, after decision.Namespace) []string {
	var changed []string
	requirements, _ := selector.Requirements()
	for _, requirement := range requirements {
		was, had := before.Labels[requirement.Key()]
		is, has := after.Labels[requirement.Key()]
		if was != is || had != has {
			changed = append(changed, requirement.Key())
		}
	}
	slices.Sort(changed)
	return slices.Compact(changed)
}

func under(ceiling, mode decision.Mode) decision.Mode {
	if ceiling == 0 {
		return mode
	}
	return min(mode, ceiling)
}
