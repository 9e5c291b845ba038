package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/resources"
)

// proposal is an intent of one policy under one binding.
type proposal struct {
	// Binding is the caller's index of the binding; an injectionGap returns it.
	Binding   int
	Policy    string
	Guardrail string
	Mode      decision.Mode
	Intent    decision.Intent
	// SkipReason and Undecided are copied to the Fill.
	SkipReason string
	Undecided  bool
}

// injectionGap is a proposal that cannot be applied, with a reason that the reader can act on.
type injectionGap struct {
	// Binding is the index of the first binding with the strictest mode.
	Binding    int
	Mode       decision.Mode
	Policy     string
	Guardrails []string
	Container  string
	Field      string
	Reason     string
}

// injectionPlan is the result of the proposals for one request.
type injectionPlan struct {
	// Fills of mode enforce satisfy the namespace's LimitRanges together; those of a weaker
	// mode are what would be set.
	Fills []decision.Fill
	// Enforced are those of mode enforce.
	Enforced []resources.Fill
	Gaps     []injectionGap
}

// intentError is returned when a policy's intent names a field or value that cannot be
// injected.
type intentError struct {
	Policy string
	Reason string
}

func (e *intentError) Error() string {
	return fmt.Sprintf("policy %s: inject: %s", e.Policy, e.Reason)
}

// planInjection decides which proposals are applied. If two Guardrails enforce different values
// for a field, neither is. Every error is an *intentError.
func planInjection(r *decision.Request, proposals []proposal) (injectionPlan, error) {
	if r.Workload == nil || len(proposals) == 0 {
		return injectionPlan{}, nil
	}
	groups, err := group(proposals)
	if err != nil {
		return injectionPlan{}, err
	}
	var plan injectionPlan
	pod := resources.PodOf(r.Workload)
	for _, enforced := range []bool{true, false} {
		var granted []*target
		for _, t := range groups {
			if (t.mode == decision.ModeEnforce) != enforced {
				continue
			}
			if t.conflict != "" {
				plan.Gaps = append(plan.Gaps, t.gap(t.conflict))
				continue
			}
			granted = append(granted, t)
		}
		plan.fit(r, pod, granted)
	}
	return plan, nil
}

// target is one field of one container, with the proposals for it merged.
type target struct {
	binding    int
	policy     string
	guardrails []string
	mode       decision.Mode
	container  string
	field      resources.Field
	value      resource.Quantity
	conflict   string
	skipReason string
	undecided  bool
}

func (t *target) gap(reason string) injectionGap {
	return injectionGap{Binding: t.binding, Mode: t.mode, Policy: t.policy, Guardrails: t.guardrails, Container: t.container, Field: t.field.String(), Reason: reason}
}

// group merges the proposals for a field under the strictest mode. Proposals of weaker modes
// are dropped.
func group(proposals []proposal) ([]*target, error) {
	var targets []*target
	for _, p := range proposals {
		field, err := resources.ParseField(p.Intent.Field)
		if err != nil {
			return nil, &intentError{Policy: p.Policy, Reason: err.Error()}
		}
		value, err := resource.ParseQuantity(p.Intent.Value)
		if err != nil {
			return nil, &intentError{Policy: p.Policy, Reason: fmt.Sprintf("%q is not a quantity", p.Intent.Value)}
		}
		fresh := &target{
			binding: p.Binding, policy: p.Policy, guardrails: []string{p.Guardrail}, mode: p.Mode,
			container: p.Intent.Container, field: field, value: value, skipReason: p.SkipReason, undecided: p.Undecided,
		}
		i := slices.IndexFunc(targets, func(t *target) bool { return t.container == fresh.container && t.field == fresh.field })
		switch {
		case i < 0:
			targets = append(targets, fresh)
		case fresh.mode > targets[i].mode:
			targets[i] = fresh
		case fresh.mode == targets[i].mode:
			targets[i].join(fresh)
		}
	}
	return targets, nil
}

func (t *target) join(other *target) {
	if t.value.Cmp(other.value) != 0 {
		t.conflict = fmt.Sprintf("Guardrails disagree, so it is not set: %s requires %s and %s requires %s",
			strings.Join(t.guardrails, ", "), t.value.String(), other.guardrails[0], other.value.String())
	}
	t.guardrails = append(t.guardrails, other.guardrails...)
	slices.Sort(t.guardrails)
	t.guardrails = slices.Compact(t.guardrails)
}

func (p *injectionPlan) fit(r *decision.Request, pod resources.Pod, targets []*target) {
	if len(targets) == 0 {
		return
	}
	proposals := make([]resources.Proposal, 0, len(targets))
	for _, t := range targets {
		proposals = append(proposals, resources.Proposal{Container: t.container, Field: t.field, Value: t.value})
	}
	asked := func(container string, field resources.Field) *target {
		i := slices.IndexFunc(targets, func(t *target) bool { return t.container == container && t.field == field })
		return targets[i]
	}
	fills, unfilled := resources.Fit(pod, proposals, r.Facts.LimitRanges, r.Facts.ResourceQuotas)
	for _, fill := range fills {
		t := asked(fill.Container, fill.Field)
		if t.mode == decision.ModeEnforce {
			p.Enforced = append(p.Enforced, fill)
		}
		p.Fills = append(p.Fills, decision.Fill{
			Policy: t.policy, Guardrails: t.guardrails, Mode: t.mode,
			Container: fill.Container, Field: fill.Field.String(), Value: fill.Value.String(),
			SkipReason: t.skipReason, Undecided: t.undecided,
		})
	}
	for _, gap := range unfilled {
		p.Gaps = append(p.Gaps, asked(gap.Container, gap.Field).gap(gap.Reason))
	}
}
