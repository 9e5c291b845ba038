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

// updateScope is the extent of an UPDATE.
type updateScope int

const (
	// changesContent is an update of anything that a policy may read.
	changesContent updateScope = iota
	// changesLabels is an update of the object's own labels and annotations, which controllers
	// and users write independently of its content. Policies may read them.
	changesLabels
	// changesNothing is an update of nothing that a policy depends on: status, finalizers,
	// owners and server-managed fields.
	changesNothing
)

// The reasons for tolerating a finding that would deny.
const (
	hadBefore    = "the stored object already has it"
	failedBefore = "the policy cannot decide the stored object either"
	unchanged    = "this update changes nothing that a policy reads"
)

// Additions to a finding that is not tolerated.
const (
	worse             = ", worse than in the stored object"
	baselineUndecided = "the stored object cannot be decided, and may already have it"
)

// blocks reports whether the candidate keeps an update from being admitted: its finding denies,
// or would if it were enforced, or its policy is enforced and failed to evaluate.
func (c *candidate) blocks() bool {
	return c.finding.WouldDeny || c.finding.Denies() || c.failed() && c.finding.Mode == decision.ModeEnforce
}

func (c *candidate) failed() bool { return c.violation < 0 }

// blocking returns the candidates that keep an UPDATE from being admitted. There are none of other operations.
//
// Those that the update did not introduce are then tolerated. If it changes nothing, these are all of them: see
// tolerateByScope. Otherwise they are those that the stored object has already, provided that the Guardrail tolerates
// existing violations: see tolerateBaseline. An update of labels only does not depend on that: controllers and users
// label and annotate objects all the time.
//
// If a policy fails on the stored object, its findings in the new one stay under failurePolicy
// Fail, and become unknown under Ignore, which denies nothing. If the policy fails on both
// objects, its failure is tolerated.
func (e *evidence) blocking(candidates []candidate) (open []*candidate) {
	if e.request.Operation != decision.Update {
		return nil
	}
	for i := range candidates {
		if candidates[i].blocks() {
			open = append(open, &candidates[i])
		}
	}
	return open
}

// tolerateByScope tolerates all candidates if the update changes nothing. It returns those to
// compare with the stored object.
func (e *evidence) tolerateByScope(open []*candidate, extent updateScope) []*candidate {
	if extent == changesNothing {
		for _, c := range open {
			c.tolerate(unchanged)
		}
		return nil
	}
	return slices.DeleteFunc(open, func(c *candidate) bool {
		return c.failed() && c.finding.FailOpen || extent != changesLabels && !e.bindings[c.binding].Guardrail.ToleratesExisting()
	})
}

// tolerateBaseline tolerates what the stored object has already. stored has the results for it, one per binding, and
// err the reason if there are none.
func (e *evidence) tolerateBaseline(open []*candidate, stored []decision.Result, err error) error {
	if err != nil {
		// A policy that is not enforced never fails a request.
		if !slices.ContainsFunc(open, func(c *candidate) bool { return c.finding.Denies() }) {
			return nil
		}
		return fmt.Errorf("deciding the stored object: %w", err)
	}
	compared := make([][]baseline, len(e.bindings))
	for _, c := range open {
		if err := stored[c.binding].Err; c.failed() || err != nil {
			e.tolerateFailure(c, err)
			continue
		}
		if compared[c.binding] == nil {
			compared[c.binding] = compareWithBaseline(&stored[c.binding], &e.results[c.binding])
		}
		switch compared[c.binding][c.violation] {
		case wasThere:
			c.tolerate(hadBefore)
		case isWorse:
			c.finding.Message += worse
		case isNew:
		}
	}
	return nil
}

// tolerateFailure handles a policy that fails on the new object, the stored one, or both. What
// it cannot decide in either has not become worse. A timeout proves nothing about the stored
// object.
func (e *evidence) tolerateFailure(c *candidate, before error) {
	switch {
	case c.failed() && before != nil && !rego.OutOfTime(before):
		c.tolerate(failedBefore)
	case c.failed() || !e.bindings[c.binding].FailOpen && errors.As(before, new(*rego.EvaluationError)):
		// It denies, as it would if the stored object had no violation.
	default:
		if c.finding.Denies() {
			c.finding.Unknown = baselineUndecided
		}
		c.finding.WouldDeny = false
	}
}

// tolerate keeps the finding from denying. The failure of a policy stays a warning.
func (c *candidate) tolerate(why string) {
	if c.failed() && c.finding.FailOpen {
		c.finding.Mode = min(c.finding.Mode, decision.ModeWarn)
		return
	}
	if c.finding.Denies() {
		c.finding.Tolerated = why
	}
	c.finding.WouldDeny = false
}

// Tolerated reports for each violation in the new object whether the stored object has it
// already, as often and at least as badly.
func Tolerated(before, after *decision.Result) []bool {
	tolerated := make([]bool, len(after.Violations))
	for i, s := range compareWithBaseline(before, after) {
		tolerated[i] = s == wasThere
	}
	return tolerated
}

// baseline is the relation of a violation in the new object to those in the stored one.
type baseline int

const (
	isNew baseline = iota
	isWorse
	wasThere
)

// compareWithBaseline returns the baseline of each violation in after. Both results are sorted
// by container and key, as all results are.
func compareWithBaseline(before, after *decision.Result) []baseline {
	baselines := make([]baseline, len(after.Violations))
	for from := 0; from < len(after.Violations); {
		first := &after.Violations[from]
		to := from + 1
		for to < len(after.Violations) && compareIdentity(after.Violations[to], first) == 0 {
			to++
		}
		at, _ := slices.BinarySearchFunc(before.Violations, first, compareIdentity)
		var had []*decision.Violation
		for ; at < len(before.Violations) && compareIdentity(before.Violations[at], first) == 0; at++ {
			had = append(had, &before.Violations[at])
		}
		matchBaseline(had, after.Violations[from:to], baselines[from:to])
		from = to
	}
	return baselines
}

func compareIdentity(a decision.Violation, b *decision.Violation) int {
	return cmp.Or(strings.Compare(a.Container, b.Container), strings.Compare(a.Key, b.Key), bytes.Compare(a.Digest[:], b.Digest[:]))
}

// matchBaseline pairs violations with earlier ones of the same identity, one to one, worst
// first. An earlier violation that was undecided, or whose mode was capped, does not match one
// that is not.
func matchBaseline(had []*decision.Violation, have []decision.Violation, baselines []baseline) {
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
			return (h.Unknown == "" || v.Unknown != "") && maxViolationMode(h) >= maxViolationMode(v)
		})
		if worst < 0 || v.WorseThan(had[worst]) {
			baselines[i] = isWorse
			continue
		}
		baselines[i], had = wasThere, slices.Delete(had, worst, worst+1)
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

func maxViolationMode(v *decision.Violation) decision.Mode {
	if v.AtMost == 0 {
		return decision.ModeEnforce
	}
	return v.AtMost
}

// evaluateStored returns the results of the bound policies for the stored object. If it is too
// large to be inspected, the results are empty; otherwise anybody who once could store such an
// object could replace it with anything. If it cannot be read, all policies fail. An error
// means that ctx has ended.
func (d *Decider) evaluateStored(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding, exemptions config.Exemptions, planner *planner) ([]decision.Result, error) {
	results := make([]decision.Result, len(bindings))
	old, err := request.Old(r)
	if _, tooMuch := errors.AsType[*request.LimitError](err); tooMuch {
		return results, nil
	}
	if err == nil && old == nil {
		err = errNothingStored
	}
	var found []decision.Result
	if err == nil {
		// Injections apply as for the new object: what a LimitRange limits per Pod includes
		// them.
		found, _, err = d.evaluate(ctx, old, bindings, exemptions, planner, oldObject)
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

// isUnchanged reports whether an UPDATE changes nothing that a policy depends on. Such an update
// is never denied; otherwise an object with a finalizer could not be deleted.
func isUnchanged(r *decision.Request) bool { return updateScopeOf(r) == changesNothing }

// updateScopeOf compares the whole content, not just what current policies read, because a user's
// Policy may read anything. It ignores finalizers, owners, managed fields and fields that users
// cannot set.
//
// Whether the object is terminating makes no difference: a terminating Pod still runs long
// enough to do harm.
func updateScopeOf(r *decision.Request) updateScope {
	if carriesMetadata(r) {
		// The API server takes nothing else that a policy depends on from these subresources.
		if metadataChanged(r) {
			return changesLabels
		}
		return changesNothing
	}
	if r.OldObject == nil || !reflect.DeepEqual(content(r, r.Object), content(r, r.OldObject)) {
		return changesContent
	}
	for _, field := range []string{"labels", "annotations"} {
		if !reflect.DeepEqual(decision.MapAt(r.Object, "metadata")[field], decision.MapAt(r.OldObject, "metadata")[field]) {
			return changesLabels
		}
	}
	if !reflect.DeepEqual(r.Object["spec"], r.OldObject["spec"]) {
		return changesLabels
	}
	return changesNothing
}

// content returns an object without metadata and status. It omits the volumeName of a
// PersistentVolumeClaim, which Kubernetes sets when it binds the claim.
func content(r *decision.Request, object map[string]any) map[string]any {
	rest := maps.Clone(object)
	delete(rest, "metadata")
	delete(rest, "status")
	if spec, ok := rest["spec"].(map[string]any); ok && r.Kind.GroupKind() == (schema.GroupKind{Kind: "PersistentVolumeClaim"}) {
		spec = maps.Clone(spec)
		delete(spec, "volumeName")
		rest["spec"] = spec
	}
	return rest
}
