package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// The reasons for skipping an enforced injection.
const (
	skippedOlder   = "the template is older than the injection"
	skippedTrusted = "the writer is trusted"
)

// planner plans the injections for one request. It exempts Pods whose template was written
// before an injection was enforced: a limit that their author did not choose would kill
// workloads that have run without one. It reads from the API server only if something would be
// injected.
type planner struct {
	program   *rego.Program
	templates Templates
	live      Live
	request   *decision.Request

	written  *written
	selected map[*config.Guardrail]selected
}

// written is the result of looking up when a template was written.
type written struct {
	// at is zero if the template is written by this request, or not stored yet.
	at  time.Time
	err error
}

// selected is the result of looking up since when a Guardrail has selected the request's
// namespace.
type selected struct {
	since time.Time
	known bool
	err   error
}

func (d *Decider) plannerFor(r *decision.Request) *planner {
	return &planner{
		program: d.snapshot.Program(), templates: d.options.Templates, live: d.options.Live,
		request: r, selected: map[*config.Guardrail]selected{},
	}
}

// ageMatters reports whether it matters when a template was written. It does not for manifests,
// which are yet to be applied, nor for templates at /mutate, which are never patched.
func (p *planner) ageMatters() bool {
	if p.templates == nil || p.request.Workload == nil {
		return false
	}
	switch p.request.Origin {
	case decision.OriginValidating:
		return p.request.Workload.Template
	case decision.OriginMutating:
		return !p.request.Workload.Template && p.request.Operation == decision.Create
	case decision.OriginManifest, decision.OriginLive:
	}
	return false
}

// plan returns the injections into r, which is the request or the object stored before it.
func (p *planner) plan(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, results []decision.Result, exemptions config.Exemptions) (injectionPlan, error) {
	proposals, err := p.proposals(ctx, r, bindings, results, exemptions)
	if err != nil {
		return injectionPlan{}, err
	}
	return planInjection(r, proposals)
}

// proposals returns what the bindings would inject into r. The proposals of a binding that
// exempts the Pods because of their age are only recorded. A binding whose parameters have
// changed proposes the values that were enforced when the template was written.
func (p *planner) proposals(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, results []decision.Result, exemptions config.Exemptions) ([]proposal, error) {
	all := proposals(r, bindings, results, exemptions)
	if !p.ageMatters() {
		return all, nil
	}
	var kept []proposal
	for i := range bindings {
		own := proposalsOf(all, i)
		if bindings[i].Mode != decision.ModeEnforce || !bindings[i].Policy.Mutates || !bindings[i].Guardrail.ToleratesExisting() {
			kept = append(kept, own...)
			continue
		}
		past, err := p.formerProposals(ctx, r, bindings, i, exemptions)
		if err != nil {
			return nil, err
		}
		if len(own) == 0 && len(past) == 0 {
			continue
		}
		instances, skipReason, undecided := p.covering(ctx, &bindings[i])
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("determining when the template was written: %w", err)
		}
		for _, instance := range slices.Sorted(maps.Keys(past)) {
			if slices.Contains(instances, instance) {
				kept = append(kept, past[instance]...)
			}
		}
		if slices.Contains(instances, bindings[i].Instance) {
			kept = append(kept, own...)
			continue
		}
		for k := range own {
			own[k].Mode, own[k].SkipReason, own[k].Undecided = decision.ModeAudit, skipReason, undecided
			kept = append(kept, own[k])
		}
	}
	return kept, nil
}

func proposalsOf(all []proposal, binding int) []proposal {
	var own []proposal
	for _, p := range all {
		if p.Binding == binding {
			own = append(own, p)
		}
	}
	return own
}

// formerProposals returns, by instance, what the i-th binding's policy injects under parameters
// that its Guardrail no longer binds. If a Guardrail binds a policy several times, only the
// first binding returns them.
func (p *planner) formerProposals(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, i int, exemptions config.Exemptions) (map[int][]proposal, error) {
	binding := &bindings[i]
	instances := binding.Guardrail.Injection.Instances(binding.Policy.ID)
	for k := range bindings {
		if other := &bindings[k]; other.Guardrail == binding.Guardrail && other.Policy.ID == binding.Policy.ID && other.Mode == decision.ModeEnforce {
			if k < i {
				return nil, nil
			}
			instances = slices.DeleteFunc(instances, func(instance int) bool { return instance == other.Instance })
		}
	}
	if len(instances) == 0 {
		return nil, nil
	}
	results, err := p.program.Evaluate(ctx, r, instances, rego.Inject)
	if err != nil {
		return nil, err
	}
	found := map[int][]proposal{}
	for k, instance := range instances {
		earlier := *binding
		earlier.Instance = instance
		for _, former := range proposals(r, []config.AppliedBinding{earlier}, results[k:k+1], exemptions) {
			former.Binding = i
			found[instance] = append(found[instance], former)
		}
	}
	return found, nil
}

// covering returns the instances whose values the Pods get. skipReason is why the binding's own
// instance is not among them. undecided is true if that could not be determined; then nothing
// is injected, because a missing value does less harm than a wrong one.
func (p *planner) covering(ctx context.Context, binding *config.AppliedBinding) (instances []int, skipReason string, undecided bool) {
	r, g := p.request, binding.Guardrail
	if !r.Workload.Template && g.Trusts(r.User) {
		return nil, skippedTrusted, false
	}
	if p.unowned() {
		return []int{binding.Instance}, "", false
	}
	selected := p.selectedSince(ctx, g)
	switch {
	case selected.err != nil:
		return nil, "it is not known how long Guardrail " + g.Name + " has selected the namespace: " + selected.err.Error(), true
	case !selected.known, len(g.Injection.Instances(binding.Policy.ID)) == 0:
		return nil, "it is not recorded yet how long Guardrail " + g.Name + " has injected into this namespace", true
	}
	covered := func(at time.Time) []int {
		return g.Injection.Covering(binding.Policy.ID, at, selected.since, r.Namespace.Created)
	}
	// Revisions are never older than their object. With a single period there is nothing to
	// look up.
	if created := createdAt(r.OldObject); !created.IsZero() && len(g.Injection.Instances(binding.Policy.ID)) == 1 {
		if instances := covered(created); slices.Contains(instances, binding.Instance) {
			return instances, "", false
		}
	}
	written := p.templateWritten(ctx)
	if written.err != nil {
		return nil, "it is not known when the template was written: " + written.err.Error(), true
	}
	if instances = covered(written.at); len(instances) == 0 {
		return nil, skippedOlder, false
	}
	return instances, skippedOlder, false
}

// selectedSince reads the Guardrail's record, and falls back to the namespace's managed fields.
func (p *planner) selectedSince(ctx context.Context, g *config.Guardrail) selected {
	if known, ok := p.selected[g]; ok {
		return known
	}
	var found selected
	namespace := p.request.Namespace
	found.since, found.known = g.Injection.SelectedSince(namespace)
	if !found.known && g.Injection.LabelsDateSelection(namespace) {
		ctx, cancel := withReadTimeout(ctx)
		defer cancel()
		labeled, known, err := LabeledSince(ctx, p.templates, namespace.Name)
		found.err = err
		if known && g.Injection.SelectsSince(labeled, namespace) {
			found = selected{since: labeled, known: true}
		}
	}
	p.selected[g] = found
	return found
}
