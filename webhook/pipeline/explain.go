package pipeline

import (
	"context"
	"fmt"
	"slices"

	"taffrail.dev/webhook/decision"
)

// Explain returns what applies to a request, and why, as Decide would apply it. A
// ControllerRevision is explained as the workload that it is decided as. Facts that cannot be read
// are part of the explanation, not an error.
func (d *Decider) Explain(ctx context.Context, original *decision.Request) (*decision.Explanation, error) {
	if original.Revision != nil {
		original = original.Revision
	}
	copied := *original
	r := &copied
	bindings, err := d.resolve(ctx, r, d.facts)
	if err != nil {
		return nil, err
	}
	now := d.options.Now()
	exemptions := d.snapshot.Exemptions()
	explained := &decision.Explanation{
		Namespace:  r.Namespace,
		Guardrails: d.snapshot.Guardrails().Explain(r, d.options.MaxMode, exemptions.For(r, now)),
		Exemptions: exemptions.Explain(r, d.snapshot.Guardrails(), now),
	}
	for _, controller := range decision.Controllers(r.Kind.GroupKind()) {
		explained.Controllers = append(explained.Controllers, controller.Name)
	}
	slices.Sort(explained.Controllers)
	explained.Controllers = slices.Compact(explained.Controllers)
	for _, fact := range wantedFacts(r, bindings) {
		one := decision.FactExplanation{Fact: fact}
		for i := range bindings {
			if policy := bindings[i].Policy; slices.Contains(policy.Facts, fact) && !slices.Contains(one.Policies, policy.ID) {
				one.Policies = append(one.Policies, policy.ID)
			}
		}
		slices.Sort(one.Policies)
		found, err := d.facts.Facts(ctx, factNamespace(r), []decision.Fact{fact})
		if err != nil {
			return nil, fmt.Errorf("reading the facts of namespace %q: %w", factNamespace(r), err)
		}
		one.Objects, one.Unread = factNames(&found, fact), found.Unread[fact]
		explained.Facts = append(explained.Facts, one)
	}
	return explained, ctx.Err()
}

// factNames returns the names of the objects of one kind of facts, sorted.
func factNames(f *decision.Facts, fact decision.Fact) (names []string) {
	for _, object := range f.Of(fact) {
		names = append(names, object.GetName())
	}
	slices.Sort(names)
	return names
}
