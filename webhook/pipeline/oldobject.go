package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

// UpdateScope is how much an UPDATE changes.
type UpdateScope int

const (
	// ChangesContent is an update of anything that a policy may read.
	ChangesContent UpdateScope = iota
	// ChangesLabels is an update of what others write beside an object's content: labels and
	// annotations of the object itself. Policies may read them.
	ChangesLabels
	// ChangesNothing is an update of nothing that a policy may go by: of status, finalizers,
	// owners and what the API server keeps for itself.
	ChangesNothing
)

// Why a finding that would deny is tolerated.
const (
	hadBefore      = "the stored object has it already"
	failedBefore   = "it cannot decide the stored object either"
	changesNothing = "this update changes nothing that a policy reads"
)

// What is said of one that is not.
const (
	worse             = ", worse than in the stored object"
	baselineUndecided = "the stored object cannot be decided, and may have it already"
)

// wouldStop tells whether the candidate would keep an update from being admitted: its
// finding denies, or would if it were enforced, or its policy, which is enforced, could not
// be evaluated.
func (c *candidate) wouldStop() bool {
	return c.finding.WouldDeny || c.finding.Denies() || c.failed() && c.finding.Mode == decision.ModeEnforce
}

func (c *candidate) failed() bool { return c.violation < 0 }

// tolerateExisting excuses, of what would keep an UPDATE from being admitted, what the UPDATE
// did not bring. An update that changes nothing is excused from all of it. One that changes
// no more than labels is excused from what the stored object has already, whatever its
// Guardrail says of existing violations: controllers and people label and annotate objects
// all the time. Any other is where the Guardrail tolerates what exists.
//
// If a policy cannot decide the stored object, what it finds in the new one stays under
// failurePolicy Fail, and becomes unknown under Ignore, which denies nothing. If the policy
// can decide neither object, its failure is tolerated.
func (p *Decider) tolerateExisting(ctx context.Context, e *evidence, candidates []candidate, templates *existing) error {
	if e.request.Operation != decision.Update {
		return nil
	}
	open := stopping(candidates)
	if len(open) == 0 {
		return nil
	}
	open = e.excuseByScope(open, updateScope(e.request))
	if len(open) == 0 {
		return nil
	}
	before, err := p.before(ctx, e.request, e.bindings, e.exemptions, templates)
	return e.excuseBaseline(open, before, err)
}

// stopping returns the candidates that would keep an update from being admitted.
func stopping(candidates []candidate) (open []*candidate) {
	for i := range candidates {
		if candidates[i].wouldStop() {
			open = append(open, &candidates[i])
		}
	}
	return open
}

// excuseByScope excuses all of an update that changes nothing, and returns those to be
// compared with what the stored object has.
func (e *evidence) excuseByScope(open []*candidate, scope UpdateScope) []*candidate {
	if scope == ChangesNothing {
		for _, c := range open {
			c.excuse(changesNothing)
		}
		return nil
	}
	return slices.DeleteFunc(open, func(c *candidate) bool {
		return c.failed() && c.finding.FailOpen || scope != ChangesLabels && !e.bindings[c.bound].Guardrail.ToleratesExisting()
	})
}

// excuseBaseline excuses what the results of the stored object have already; failed is why
// there are none.
func (e *evidence) excuseBaseline(open []*candidate, before []decision.Result, failed error) error {
	if failed != nil {
		// Nobody's request fails for what is only counted.
		if !slices.ContainsFunc(open, func(c *candidate) bool { return c.finding.Denies() }) {
			return nil
		}
		return fmt.Errorf("deciding the stored object: %w", failed)
	}
	compared := make([][]baseline, len(e.bindings))
	for _, c := range open {
		if err := before[c.bound].Err; c.failed() || err != nil {
			e.tolerateFailure(c, err)
			continue
		}
		if compared[c.bound] == nil {
			compared[c.bound] = compareWithBaseline(&before[c.bound], &e.results[c.bound])
		}
		switch compared[c.bound][c.violation] {
		case wasThere:
			c.excuse(hadBefore)
		case isWorse:
			c.finding.Message += worse
		case isNew:
		}
	}
	return nil
}

// tolerateFailure is for a policy that cannot decide the new object, the stored one, or both. What it
// cannot decide either way has not become worse. One that time ran out for says nothing of the
// stored object.
func (e *evidence) tolerateFailure(c *candidate, before error) {
	switch {
	case c.failed() && before != nil && !errors.Is(before, rego.ErrNoTime):
		c.excuse(failedBefore)
	case c.failed() || !e.bindings[c.bound].FailOpen && errors.As(before, new(*rego.EvaluationError)):
		// It denies, as it would if the stored object had been fine.
	default:
		if c.finding.Denies() {
			c.finding.Unknown = baselineUndecided
		}
		c.finding.WouldDeny = false
	}
}

// excuse makes the finding one that stops nothing. What a policy cannot decide stays a warning.
func (c *candidate) excuse(why string) {
	if c.failed() && c.finding.FailOpen {
		c.finding.Mode = min(c.finding.Mode, decision.ModeWarn)
		return
	}
	if c.finding.Denies() {
		c.finding.Tolerated = why
	}
	c.finding.WouldDeny = false
}

// Tolerated tells, for each violation that a policy finds in the new object, whether the
// stored one has it already: as often, and no nearer to right.
func Tolerated(before, after *decision.Result) []bool {
	tolerated := make([]bool, len(after.Violations))
	for i, s := range compareWithBaseline(before, after) {
		tolerated[i] = s == wasThere
	}
	return tolerated
}

// baseline is how a violation of the new object stands to those of the stored one.
type baseline int

const (
	isNew baseline = iota
	isWorse
	wasThere
)

// compareWithBaseline gives the standing of each violation of after. Both are sorted by container and
// key, as every result is.
func compareWithBaseline(before, after *decision.Result) []baseline {
	standings := make([]baseline, len(after.Violations))
	for from := 0; from < len(after.Violations); {
		first := &after.Violations[from]
		to := from + 1
		for to < len(after.Violations) && identify(after.Violations[to], first) == 0 {
			to++
		}
		at, _ := slices.BinarySearchFunc(before.Violations, first, identify)
		var had []*decision.Violation
		for ; at < len(before.Violations) && identify(before.Violations[at], first) == 0; at++ {
			had = append(had, &before.Violations[at])
		}
		match(had, after.Violations[from:to], standings[from:to])
		from = to
	}
	return standings
}

func identify(a decision.Violation, b *decision.Violation) int {
	return cmp.Or(strings.Compare(a.Container, b.Container), strings.Compare(a.Key, b.Key), bytes.Compare(a.Digest[:], b.Digest[:]))
}

// match pairs violations of one identity with earlier ones, each with one of its own, the
// worst with the worst. What was left undecided, or capped, stands for nothing that is not.
func match(had []*decision.Violation, have []decision.Violation, standings []baseline) {
	if len(had) == 0 {
		return // they are all new
	}
	order := make([]int, len(have))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return worstFirst(&have[a], &have[b]) })
	slices.SortStableFunc(had, worstFirst)
	for _, i := range order {
		v := &have[i]
		worst := slices.IndexFunc(had, func(h *decision.Violation) bool {
			return (h.Unknown == "" || v.Unknown != "") && ceiling(h) >= ceiling(v)
		})
		if worst < 0 || v.WorseThan(had[worst]) {
			standings[i] = isWorse
			continue
		}
		standings[i], had = wasThere, slices.Delete(had, worst, worst+1)
	}
}

func worstFirst(a, b *decision.Violation) int {
	switch {
	case a.WorseThan(b):
		return -1
	case b.WorseThan(a):
		return 1
	}
	return 0
}

func ceiling(v *decision.Violation) decision.Mode {
	if v.AtMost == 0 {
		return decision.ModeEnforce
	}
	return v.AtMost
}

// before is what the bound policies say of the stored object. Where that is too much to be
// looked at they say nothing, or whoever could once store such an object could put anything
// in its place. Where it cannot be decided they all fail. An error means that ctx ended.
func (p *Decider) before(ctx context.Context, r *decision.Request, bounds []config.AppliedBinding, exempt config.Exemptions, there *existing) ([]decision.Result, error) {
	results := make([]decision.Result, len(bounds))
	old, err := request.Old(r)
	if _, tooMuch := errors.AsType[*request.LimitError](err); tooMuch {
		return results, nil
	}
	if err == nil && old == nil {
		err = errNothingStored
	}
	var found []decision.Result
	if err == nil {
		// With what is injected into its Pods, as for the new object: what a LimitRange says
		// of a total is about the total, which injections are part of.
		found, _, err = p.evaluate(ctx, old, bounds, exempt, there, self)
		if err == nil || ctx.Err() != nil {
			return found, err
		}
	}
	for i := range results {
		results[i].Err = err
	}
	return results, nil
}

var errNothingStored = errors.New("an UPDATE without a stored object")

// Unchanged tells whether an UPDATE leaves everything as it was that a policy may go by.
// Such an update is never denied, or an object with a finalizer could not be deleted.
func Unchanged(r *decision.Request) bool { return updateScope(r) == ChangesNothing }

// updateScope compares by what is in the object, and not by what today's policies read of it:
// a policy of somebody's own may read anything. Only finalizers, owners, managed fields
// and what nobody can set are none of their business.
//
// That an object is terminating makes no difference: a Pod that is has time to do harm.
func updateScope(r *decision.Request) UpdateScope {
	if carriesMetadata(r) {
		// Of the rest nothing is taken that a policy may go by.
		if metadataChanged(r) {
			return ChangesLabels
		}
		return ChangesNothing
	}
	if r.OldObject == nil || !reflect.DeepEqual(content(r, r.Object), content(r, r.OldObject)) {
		return ChangesContent
	}
	for _, field := range []string{"labels", "annotations"} {
		if !reflect.DeepEqual(metadata(r.Object)[field], metadata(r.OldObject)[field]) {
			return ChangesLabels
		}
	}
	if !reflect.DeepEqual(r.Object["spec"], r.OldObject["spec"]) {
		return ChangesLabels
	}
	return ChangesNothing
}

// content is all of an object but metadata and status. The name of its volume is no more
// than a label of a claim, which Kubernetes puts there when it has found one.
func content(r *decision.Request, object map[string]any) map[string]any {
	left := maps.Clone(object)
	delete(left, "metadata")
	delete(left, "status")
	if spec, ok := left["spec"].(map[string]any); ok && r.Kind.GroupKind() == (schema.GroupKind{Kind: "PersistentVolumeClaim"}) {
		spec = maps.Clone(spec)
		delete(spec, "volumeName")
		left["spec"] = spec
	}
	return left
}

func metadata(object map[string]any) map[string]any {
	members, _ := object["metadata"].(map[string]any)
	return members
}
