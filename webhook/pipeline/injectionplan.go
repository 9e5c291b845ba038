package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/resources"
)

// wish is an intent of one policy, as one Guardrail asks for it.
type wish struct {
	// Bound is the caller's own number for the binding that asks; a Gap gives it back.
	Bound     int
	Policy    string
	Guardrail string
	Mode      decision.Mode
	Intent    decision.Intent
	// Left and Undecided are those of the Fill that it becomes.
	Left      string
	Undecided bool
}

// injectionGap is a wish that was not granted, with a reason a person can act on.
type injectionGap struct {
	// Bound is that of the first of the strictest wishes.
	Bound      int
	Mode       decision.Mode
	Policy     string
	Guardrails []string
	Container  string
	Field      string
	Reason     string
}

// injectionPlan is what becomes of the wishes for one request.
type injectionPlan struct {
	// Fills of mode enforce fit together inside the namespace's bounds; those of a
	// weaker mode are what would be set.
	Fills []decision.Fill
	Gaps  []injectionGap
}

// IntentError says that an intent asks for something that cannot be injected.
type IntentError struct {
	Policy string
	Reason string
}

func (e *IntentError) Error() string {
	return fmt.Sprintf("policy %s: inject: %s", e.Policy, e.Reason)
}

// planInjection decides which wishes are granted. Where two Guardrails enforce different
// values for a field, neither is. Errors are an *IntentError.
func planInjection(r *decision.Request, wishes []wish) (injectionPlan, error) {
	if r.Workload == nil || len(wishes) == 0 {
		return injectionPlan{}, nil
	}
	groups, err := group(wishes)
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

// target is one field of one container, with everything that is wished for it.
type target struct {
	bound      int
	policy     string
	guardrails []string
	mode       decision.Mode
	container  string
	field      resources.Field
	value      resource.Quantity
	conflict   string
	left       string
	undecided  bool
}

func (t *target) gap(reason string) injectionGap {
	return injectionGap{Bound: t.bound, Mode: t.mode, Policy: t.policy, Guardrails: t.guardrails, Container: t.container, Field: t.field.String(), Reason: reason}
}

// group puts the wishes for one field together under the strictest mode that asks:
// weaker wishes have nothing to add to it.
func group(wishes []wish) ([]*target, error) {
	var targets []*target
	for _, w := range wishes {
		field, err := resources.ParseField(w.Intent.Field)
		if err != nil {
			return nil, &IntentError{Policy: w.Policy, Reason: err.Error()}
		}
		value, err := resource.ParseQuantity(w.Intent.Value)
		if err != nil {
			return nil, &IntentError{Policy: w.Policy, Reason: fmt.Sprintf("%q is no quantity", w.Intent.Value)}
		}
		fresh := &target{
			bound: w.Bound, policy: w.Policy, guardrails: []string{w.Guardrail}, mode: w.Mode,
			container: w.Intent.Container, field: field, value: value, left: w.Left, undecided: w.Undecided,
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
		t.conflict = fmt.Sprintf("not set: Guardrails disagree, %s asks for %s, %s for %s",
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
	wishes := make([]resources.Wish, 0, len(targets))
	for _, t := range targets {
		wishes = append(wishes, resources.Wish{Container: t.container, Field: t.field, Value: t.value})
	}
	asked := func(container string, field resources.Field) *target {
		i := slices.IndexFunc(targets, func(t *target) bool { return t.container == container && t.field == field })
		return targets[i]
	}
	fills, unfilled := resources.Fit(pod, wishes, r.Facts.LimitRanges, r.Facts.ResourceQuotas)
	for _, fill := range fills {
		t := asked(fill.Container, fill.Field)
		p.Fills = append(p.Fills, decision.Fill{
			Policy: t.policy, Guardrails: t.guardrails, Mode: t.mode,
			Container: fill.Container, Field: fill.Field.String(), Value: fill.Value.String(),
			Left: t.left, Undecided: t.undecided,
		})
	}
	for _, gap := range unfilled {
		p.Gaps = append(p.Gaps, asked(gap.Container, gap.Field).gap(gap.Reason))
	}
}
