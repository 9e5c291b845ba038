package pipeline

import (
	"context"
	"slices"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// partOf returns the rules that a request needs. A Pod is injected into at /mutate and
// validated at /validate. A template is never patched; its injections are predicted at
// /validate, because they affect its Pods.
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

// relevant drops the bindings that a request does not need. A mirror Pod is not injected into,
// because the static Pod on the node would not have the values.
func relevant(bindings []config.AppliedBinding, r *decision.Request) []config.AppliedBinding {
	if partOf(r) != rego.Inject {
		return bindings
	}
	if config.MirrorPod(r) {
		return nil
	}
	return slices.DeleteFunc(bindings, func(b config.AppliedBinding) bool { return !b.Policy.Mutates })
}

// evaluate evaluates the bound policies and plans the injections. What LimitRanges refuse of a
// template's Pods, and what quotas leave for them, depends on the injections, so these are
// evaluated first if either matters.
func (d *Decider) evaluate(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, exemptions config.Exemptions, planner *planner, which objectVersion) ([]decision.Result, injectionPlan, error) {
	part, prediction := partOf(r), enrich(r)
	if part != rego.Both || len(r.Facts.ResourceQuotas) == 0 && (r.Workload == nil || len(r.Workload.Refusals) == 0) {
		predictPods(r, which, prediction, nil)
		results, err := d.evaluatePart(ctx, r, bindings, part)
		if err != nil {
			return nil, injectionPlan{}, err
		}
		plan, err := planner.plan(ctx, r, bindings, results, exemptions)
		return results, plan, err
	}
	injected, err := d.evaluatePart(ctx, r, bindings, rego.Inject)
	if err != nil {
		return nil, injectionPlan{}, err
	}
	plan, err := planner.plan(ctx, r, bindings, injected, exemptions)
	if err != nil {
		return nil, plan, err
	}
	predictPods(r, which, prediction, plan.Enforced)
	results, err := d.evaluatePart(ctx, r, bindings, rego.Deny)
	for i := range results {
		results[i].Intents = injected[i].Intents
		if results[i].Err == nil {
			results[i].Err = injected[i].Err
		}
	}
	return results, plan, err
}

// Evaluations is notified of each evaluation of a request.
type Evaluations interface {
	// Evaluated is called while the request waits. The Evaluation is only valid during the call.
	Evaluated(*Evaluation)
}

// Evaluation is what policies have returned for an object.
type Evaluation struct {
	Program   *rego.Program
	Request   *decision.Request
	Instances []int
	Part      rego.Part
	// Results has one element for each of the instances.
	Results []decision.Result
}

// evaluatePart returns one result per binding. Bindings of the same instance share a result. It is
// empty for a policy that needs facts that could not be read.
func (d *Decider) evaluatePart(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, part rego.Part) ([]decision.Result, error) {
	instances := make([]int, 0, len(bindings))
	for _, binding := range bindings {
		if !slices.Contains(instances, binding.Instance) {
			instances = append(instances, binding.Instance)
		}
	}
	program := d.snapshot.Program()
	found, err := program.Evaluate(ctx, r, instances, part)
	if err != nil {
		return nil, err
	}
	if d.options.Evaluations != nil {
		d.options.Evaluations.Evaluated(&Evaluation{Program: program, Request: r, Instances: instances, Part: part, Results: found})
	}
	results := make([]decision.Result, len(bindings))
	for i, binding := range bindings {
		if _, missing := unreadFact(r, binding.Policy); missing {
			continue
		}
		results[i] = found[slices.Index(instances, binding.Instance)]
	}
	return results, nil
}
