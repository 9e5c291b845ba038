package audit

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// Target is a kind that bound policies apply to.
type Target struct {
	Kind schema.GroupKind

	guardrails config.Guardrails
	// partial has the policies that do not apply to all kinds from which controllers make objects of
	// the kind, and those kinds.
	partial map[string][]schema.GroupKind
	// facts has what decisions about objects of the kind depend on besides them.
	facts []decision.Fact
}

// Targets returns the kinds that the policies of a configuration apply to, sorted. Revisions, which
// are the history of workloads, are not among them.
func Targets(snapshot *config.Snapshot) []Target {
	var kinds []schema.GroupKind
	for _, g := range snapshot.Guardrails() {
		for i := range g.Bindings {
			kinds = append(kinds, g.Bindings[i].Policy.Kinds...)
		}
	}
	slices.SortFunc(kinds, compareKinds)
	kinds = slices.Compact(kinds)
	targets := make([]Target, 0, len(kinds))
	for _, kind := range kinds {
		target, _ := TargetOf(snapshot, kind)
		targets = append(targets, target)
	}
	return targets
}

// TargetOf returns the Target of one kind. bound is false if no bound policy applies to the kind.
func TargetOf(snapshot *config.Snapshot, kind schema.GroupKind) (t Target, bound bool) {
	t = Target{Kind: kind, partial: map[string][]schema.GroupKind{}}
	for _, g := range snapshot.Guardrails() {
		binds := false
		for i := range g.Bindings {
			policy := g.Bindings[i].Policy
			if !slices.Contains(policy.Kinds, kind) {
				continue
			}
			binds = true
			if policy.Validates || hasTemplate(kind) {
				t.facts = append(t.facts, policy.Facts...)
			}
			for _, uncovered := range policy.Uncovered() {
				if uncovered.Kind == kind {
					t.partial[policy.ID] = uncovered.From
				}
			}
		}
		if binds {
			t.guardrails = append(t.guardrails, g)
		}
	}
	return t, t.Bound()
}

// Bound reports whether any policy applies to the kind.
func (t *Target) Bound() bool { return len(t.guardrails) > 0 }

// Reads reports whether decisions about objects of the kind depend on a fact.
func (t *Target) Reads(fact decision.Fact) bool { return slices.Contains(t.facts, fact) }

// covering returns the Guardrails that bind a policy for the kind and may select a namespace.
func (t *Target) covering(namespace decision.Namespace) config.Guardrails {
	return slices.DeleteFunc(slices.Clone(t.guardrails), func(g *config.Guardrail) bool { return !g.Covers(namespace) })
}

// policies returns the ids of the policies for objects of the kind that the Guardrails bind and that validate.
func (t *Target) policies(guardrails config.Guardrails) (ids []string) {
	for _, g := range guardrails {
		for i := range g.Bindings {
			if policy := g.Bindings[i].Policy; policy.Validates && slices.Contains(policy.Kinds, t.Kind) && !slices.Contains(ids, policy.ID) {
				ids = append(ids, policy.ID)
			}
		}
	}
	return ids
}

// hasTemplate reports whether objects of a kind have a template for Pods. What an injection will fill in there counts in
// other decisions; into a Pod that exists, nothing is injected.
func hasTemplate(kind schema.GroupKind) bool {
	return kind != schema.GroupKind{Kind: "Pod"} && slices.Contains(decision.PodKinds(), kind)
}

// undecided returns the policies that do not apply to an owner's kind, and therefore have to decide
// the objects that its controller makes from its template.
func (t *Target) undecided(owner schema.GroupKind) (policies []string) {
	for id, from := range t.partial {
		if slices.Contains(from, owner) {
			policies = append(policies, id)
		}
	}
	return policies
}

func compareKinds(a, b schema.GroupKind) int {
	return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Kind, b.Kind))
}
