package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"taffrail.dev/webhook/decision"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
)

// Why an enforced injection leaves a field as it is.
const (
	leftOlder   = "the template is older than the injection"
	leftTrusted = "the writer is trusted"
)

// existing leaves the Pods of templates alone that were there before an injection was
// enforced: a limit that nobody asked for kills what has run without one. It answers for one
// request, and reads nothing unless something would be injected.
type existing struct {
	decider *Decider
	request *decision.Request

	written  *written
	selected map[*config.Guardrail]selected
}

// written is when a template was written.
type written struct {
	// at is zero if it is now: with this request, or the API server has yet to store it.
	at  time.Time
	err error
}

// selected is since when a Guardrail selects the request's namespace.
type selected struct {
	since time.Time
	known bool
	err   error
}

func (p *Decider) existingOf(r *decision.Request) *existing {
	return &existing{decider: p, request: r, selected: map[*config.Guardrail]selected{}}
}

// asks reports whether it matters when a template was written. A manifest has yet to be
// applied, and nothing is answered about templates at /mutate.
func (e *existing) asks() bool {
	if e.decider.options.Templates == nil || e.request.Workload == nil {
		return false
	}
	switch e.request.Origin {
	case decision.OriginValidating:
		return e.request.Workload.Template
	case decision.OriginMutating:
		return !e.request.Workload.Template && e.request.Operation == decision.Create
	case decision.OriginManifest, decision.OriginLive:
	}
	return false
}

// plan decides what is injected into r: the request, or the object stored before it.
func (e *existing) plan(ctx context.Context, r *decision.Request, bounds []config.AppliedBinding, results []decision.Result, exempt config.Exemptions) (injectionPlan, error) {
	wished, err := e.wishes(ctx, r, bounds, results, exempt)
	if err != nil {
		return injectionPlan{}, err
	}
	return planInjection(r, wished)
}

// wishes returns what the bindings inject into r. The wishes of a binding that leaves the
// Pods alone are only recorded. A binding whose parameters have changed injects the values
// that were enforced when the template was written.
func (e *existing) wishes(ctx context.Context, r *decision.Request, bounds []config.AppliedBinding, results []decision.Result, exempt config.Exemptions) ([]wish, error) {
	all := wishes(r, bounds, results, exempt)
	if !e.asks() {
		return all, nil
	}
	var kept []wish
	for i := range bounds {
		own := wishesOf(all, i)
		if bounds[i].Mode != decision.ModeEnforce || !bounds[i].Policy.Mutates || !bounds[i].Guardrail.ToleratesExisting() {
			kept = append(kept, own...)
			continue
		}
		past, err := e.past(ctx, r, bounds, i, exempt)
		if err != nil {
			return nil, err
		}
		if len(own) == 0 && len(past) == 0 {
			continue
		}
		slots, left, undecided := e.covering(ctx, &bounds[i])
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("finding out when the template was written: %w", err)
		}
		for _, slot := range slices.Sorted(maps.Keys(past)) {
			if slices.Contains(slots, slot) {
				kept = append(kept, past[slot]...)
			}
		}
		if slices.Contains(slots, bounds[i].Slot) {
			kept = append(kept, own...)
			continue
		}
		for _, w := range own {
			w.Mode, w.Left, w.Undecided = decision.ModeAudit, left, undecided
			kept = append(kept, w)
		}
	}
	return kept, nil
}

func wishesOf(all []wish, bound int) []wish {
	var own []wish
	for _, w := range all {
		if w.Bound == bound {
			own = append(own, w)
		}
	}
	return own
}

// past returns, by slot, what the i-th binding's policy injects under parameters that its
// Guardrail no longer binds. Of several bindings of one policy, the first answers for it.
func (e *existing) past(ctx context.Context, r *decision.Request, bounds []config.AppliedBinding, i int, exempt config.Exemptions) (map[int][]wish, error) {
	bound := &bounds[i]
	slots := bound.Guardrail.Injection.Slots(bound.Policy.ID)
	for k := range bounds {
		if other := &bounds[k]; other.Guardrail == bound.Guardrail && other.Policy.ID == bound.Policy.ID && other.Mode == decision.ModeEnforce {
			if k < i {
				return nil, nil
			}
			slots = slices.DeleteFunc(slots, func(slot int) bool { return slot == other.Slot })
		}
	}
	if len(slots) == 0 {
		return nil, nil
	}
	results, err := e.decider.snapshot.Program().Evaluate(ctx, r, slots, rego.Inject)
	if err != nil {
		return nil, err
	}
	found := map[int][]wish{}
	for k, slot := range slots {
		earlier := *bound
		earlier.Slot = slot
		for _, w := range wishes(r, []config.AppliedBinding{earlier}, results[k:k+1], exempt) {
			w.Bound = i
			found[slot] = append(found[slot], w)
		}
	}
	return found, nil
}

// covering returns the slots whose values the Pods get. Where that is none, left says why, and
// undecided is true if it could not be found out: then nothing is injected, as too little does
// less harm than too much.
func (e *existing) covering(ctx context.Context, bound *config.AppliedBinding) (slots []int, left string, undecided bool) {
	r, g := e.request, bound.Guardrail
	if !r.Workload.Template && g.Trusts(r.User) {
		return nil, leftTrusted, false
	}
	if e.unowned() {
		return []int{bound.Slot}, "", false
	}
	selected := e.selectedSince(ctx, g)
	switch {
	case selected.err != nil:
		return nil, "not known since when Guardrail " + g.Name + " selects the namespace: " + selected.err.Error(), true
	case !selected.known, len(g.Injection.Slots(bound.Policy.ID)) == 0:
		return nil, "not recorded yet since when Guardrail " + g.Name + " injects here", true
	}
	covered := func(at time.Time) []int {
		return g.Injection.Covering(bound.Policy.ID, at, selected.since, r.Namespace.Created)
	}
	// Revisions are no older than their object. With one period there is nothing to look for.
	if created := createdAt(r.OldObject); !created.IsZero() && len(g.Injection.Slots(bound.Policy.ID)) == 1 {
		if slots := covered(created); slices.Contains(slots, bound.Slot) {
			return slots, "", false
		}
	}
	written := e.templateWritten(ctx)
	if written.err != nil {
		return nil, "not known when the template was written: " + written.err.Error(), true
	}
	if slots = covered(written.at); len(slots) == 0 {
		return nil, leftOlder, false
	}
	return slots, leftOlder, false
}

// selectedSince is read from the record, or else from the namespace itself.
func (e *existing) selectedSince(ctx context.Context, g *config.Guardrail) selected {
	if known, ok := e.selected[g]; ok {
		return known
	}
	var found selected
	namespace := e.request.Namespace
	found.since, found.known = g.Injection.SelectedSince(namespace)
	if !found.known && g.Injection.TellsByLabels(namespace) {
		ctx, cancel := briefly(ctx)
		defer cancel()
		labelled, known, err := LabelledSince(ctx, e.decider.options.Templates, namespace.Name)
		found.err = err
		if known && g.Injection.SelectsSince(labelled, namespace) {
			found = selected{since: labelled, known: true}
		}
	}
	e.selected[g] = found
	return found
}

// undecidedFields returns by path why it is not known whether fields will be filled.
func undecidedFields(r *decision.Request, fills []decision.Fill) map[string]string {
	var found map[string]string
	for _, fill := range fills {
		if fill.Undecided {
			if found == nil {
				found = map[string]string{}
			}
			found[r.Workload.FieldPath(fill.Container, fill.Field)] = fill.Left
		}
	}
	return found
}
