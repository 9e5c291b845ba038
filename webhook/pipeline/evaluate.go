package pipeline

import (
	"context"
	"slices"

	"taffrail.dev/webhook/decision"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
)

// partOf says which rules a request needs. A Pod is injected into at /mutate and
// validated at /validate. A template is never patched; its injections are predicted
// where it is validated, because they count for what the Pods will have.
func partOf(r *decision.Request) rego.Part {
	template := r.Workload != nil && r.Workload.Template
	switch {
	case r.Origin == decision.OriginMutating:
		return rego.Inject
	case r.Origin == decision.OriginManifest || template:
		return rego.Both
	}
	return rego.Deny
}

// relevant leaves out what a part of the way does not need. What a mirror Pod is given
// the static Pod on the node does not have.
func relevant(bounds []config.AppliedBinding, r *decision.Request) []config.AppliedBinding {
	if partOf(r) != rego.Inject {
		return bounds
	}
	if config.MirrorPod(r) {
		return nil
	}
	return slices.DeleteFunc(bounds, func(b config.AppliedBinding) bool { return !b.Policy.Mutates })
}

// evaluate evaluates the bound policies, and plans what is injected. What LimitRanges refuse
// of a template's Pods, and what quotas have left for them, depends on what will be
// injected into them: where either is in question, injections come first. stored gives the
// object whose Pods already are there.
func (p *Decider) evaluate(ctx context.Context, r *decision.Request, bounds []config.AppliedBinding, exempt config.Exemptions, there *existing, stored func(*decision.Request) *decision.Request) ([]decision.Result, injectionPlan, error) {
	part, prediction := partOf(r), enrich(r)
	if part != rego.Both || len(r.Facts.ResourceQuotas) == 0 && (r.Workload == nil || len(r.Workload.Refusals) == 0) {
		predictPods(r, stored, prediction, nil)
		results, err := p.evaluatePart(ctx, r, bounds, part)
		if err != nil {
			return nil, injectionPlan{}, err
		}
		plan, err := there.plan(ctx, r, bounds, results, exempt)
		return results, plan, err
	}
	injected, err := p.evaluatePart(ctx, r, bounds, rego.Inject)
	if err != nil {
		return nil, injectionPlan{}, err
	}
	plan, err := there.plan(ctx, r, bounds, injected, exempt)
	if err != nil {
		return nil, plan, err
	}
	predictPods(r, stored, prediction, plan.Fills)
	results, err := p.evaluatePart(ctx, r, bounds, rego.Deny)
	for i := range results {
		results[i].Intents = injected[i].Intents
		if results[i].Err == nil {
			results[i].Err = injected[i].Err
		}
	}
	return results, plan, err
}

// evaluatePart gives one result per bound; bounds that share a slot share its result.
func (p *Decider) evaluatePart(ctx context.Context, r *decision.Request, bounds []config.AppliedBinding, part rego.Part) ([]decision.Result, error) {
	slots := make([]int, 0, len(bounds))
	for _, bound := range bounds {
		if !slices.Contains(slots, bound.Slot) {
			slots = append(slots, bound.Slot)
		}
	}
	found, err := p.snapshot.Program().Evaluate(ctx, r, slots, part)
	if err != nil {
		return nil, err
	}
	results := make([]decision.Result, len(bounds))
	for i, bound := range bounds {
		results[i] = found[slices.Index(slots, bound.Slot)]
	}
	return results, nil
}
