package config

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// Loss is what a Guardrail no longer binds in a namespace once the namespace's labels change.
type Loss struct {
	Guardrail string
	// Mode is the strictest mode of the lost bindings.
	Mode decision.Mode
	// Policies has the ids of the policies lost under that mode, sorted.
	Policies []string
	// Labels has the changed labels that the Guardrail selects by, or the webhooks if Unsent,
	// sorted.
	Labels []string
	// Unsent is true if the webhooks no longer select the namespace, although the Guardrail
	// does.
	Unsent bool
}

// Losses returns the bindings that a namespace loses by a change of labels, with modes capped
// at maxMode; 0 means no cap. A binding is not lost if another Guardrail that selects the
// namespace afterward binds the same policy with the same parameters at least as strictly:
// with no weaker mode, no more tolerance of existing violations, and no additional trusted
// writers.
//
// webhooks are the namespace selectors of the webhook configuration. A namespace that one of
// them stops selecting loses all bindings, whichever of them that webhook serves.
func (s Guardrails) Losses(before, after decision.Namespace, maxMode decision.Mode, webhooks ...labels.Selector) []Loss {
	unsent := deselecting(webhooks, before, after)
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
		var lost Strictest
		if g.Covers(after) {
			loss.Unsent = true
			for _, selector := range unsent {
				loss.Labels = append(loss.Labels, labelsChanged(selector, before, after)...)
			}
			slices.Sort(loss.Labels)
			loss.Labels = slices.Compact(loss.Labels)
		}
		for _, b := range g.Bindings {
			if mode := capMode(maxMode, b.Mode); !selecting.bindsAsStrictly(g, b, mode, maxMode) {
				lost.Add(mode, b.Policy.ID)
			}
		}
		if lost.Mode > 0 {
			slices.Sort(lost.Names)
			loss.Mode, loss.Policies = lost.Mode, lost.Names
			losses = append(losses, loss)
		}
	}
	return losses
}

// Oversized returns the greatest possible loss if a namespace's labels cannot be read: the
// strictest mode of all Guardrails that do not exclude the namespace, and the Guardrails that
// bind under it.
func (s Guardrails) Oversized(name string, maxMode decision.Mode) (strictest Strictest) {
	for _, g := range s {
		if slices.Contains(g.exclude, name) {
			continue
		}
		for _, b := range g.Bindings {
			strictest.Add(capMode(maxMode, b.Mode), g.Name)
		}
	}
	return strictest
}

// bindsAsStrictly reports whether one of the Guardrails binds b's policy as strictly as from
// does.
func (s Guardrails) bindsAsStrictly(from *Guardrail, b Binding, mode, maxMode decision.Mode) bool {
	return slices.ContainsFunc(s, func(g *Guardrail) bool {
		return (from.tolerateExisting || !g.tolerateExisting) && trustsNoMore(g.trusted, from.trusted) &&
			slices.ContainsFunc(g.Bindings, func(other Binding) bool {
				return other.Instance == b.Instance && capMode(maxMode, other.Mode) >= mode
			})
	})
}

func trustsNoMore(a, than v1alpha1.TrustedWriters) bool {
	outside := func(all []string) func(string) bool {
		return func(name string) bool { return !slices.Contains(all, name) }
	}
	return !slices.ContainsFunc(a.Users, outside(than.Users)) && !slices.ContainsFunc(a.Groups, outside(than.Groups))
}

// deselecting returns the selectors that match a namespace before the change and not after it.
func deselecting(selectors []labels.Selector, before, after decision.Namespace) []labels.Selector {
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
