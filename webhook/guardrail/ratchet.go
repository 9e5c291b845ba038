package guardrail

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"taffrail.dev/webhook/review"
)

// Extent is how much an UPDATE changes.
type Extent int

const (
	// ChangesContent is an update of anything that a policy may read.
	ChangesContent Extent = iota
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
	changesNothing = "this update changes nothing that a policy reads"
)

// What is said of one that is not.
const (
	worse      = " (worse than in the stored object)"
	unreadable = "the stored object cannot be decided, so nobody can tell whether it has this already"
)

// wouldStop tells whether the candidate would keep an update from being admitted: its
// finding denies, or its policy, which is enforced, could not be evaluated.
func (c *candidate) wouldStop() bool {
	return c.finding.Denies() || c.violation == nil && c.finding.Mode == review.ModeEnforce
}

// ratchet excuses, of the candidates that are asked about, those that an UPDATE did not
// bring. An update that changes nothing is excused from all of them. One that changes no
// more than labels is excused from what the stored object has already, whatever its
// Guardrail says of existing violations: controllers and people label and annotate objects
// all the time. Any other is where the Guardrail tolerates what exists.
//
// Where the stored object cannot be decided the finding becomes unknown, which denies
// nothing: nobody on call could do anything about it.
func (e *Evidence) ratchet(candidates []candidate, asked func(*candidate) bool) error {
	var open []*candidate
	for i := range candidates {
		if asked(&candidates[i]) {
			open = append(open, &candidates[i])
		}
	}
	if len(open) == 0 || e.Extent == nil {
		return nil
	}
	extent := e.Extent(e.Request)
	if extent == ChangesNothing {
		for _, c := range open {
			c.excuse(changesNothing)
		}
		return nil
	}
	open = slices.DeleteFunc(open, func(c *candidate) bool {
		return c.violation == nil || extent != ChangesLabels && !e.Bounds[c.bound].Guardrail.tolerate
	})
	if len(open) == 0 {
		return nil
	}
	before, err := e.Before()
	if err != nil {
		return fmt.Errorf("deciding the stored object: %w", err)
	}
	for _, c := range open {
		stored := &before[c.bound]
		had := find(stored, c.violation)
		switch {
		case stored.Err != nil:
			c.finding.Unknown = unreadable
		case had.enough:
			c.excuse(hadBefore)
		case had.less:
			c.finding.Message += worse
		}
	}
	return nil
}

// excuse makes the finding one that stops nothing. A policy that could not be evaluated
// tells so as a warning.
func (c *candidate) excuse(why string) {
	if c.violation == nil {
		c.finding.Mode = min(c.finding.Mode, review.ModeWarn)
		return
	}
	c.finding.Tolerated = why
}

// Tolerates tells whether a policy that says before of the stored object has no more to
// complain of in a violation of the new one: the same violation, no farther from right.
func Tolerates(before *review.Result, violation *review.Violation) bool {
	return find(before, violation).enough
}

// earlier is what the stored object has of a violation: as much of it, or less.
type earlier struct{ enough, less bool }

// find looks among violations that are sorted by container and key. One that was left
// undecided, or capped, stands for none that is not.
func find(before *review.Result, v *review.Violation) earlier {
	var found earlier
	at, _ := slices.BinarySearchFunc(before.Violations, v, compare)
	for ; at < len(before.Violations); at++ {
		had := &before.Violations[at]
		if compare(*had, v) != 0 {
			break
		}
		if had.Hidden != v.Hidden || had.Unknown != "" && v.Unknown == "" || ceiling(had) < ceiling(v) {
			continue
		}
		if v.WorseThan(had) {
			found.less = true
		} else {
			found.enough = true
		}
	}
	return found
}

func compare(a review.Violation, b *review.Violation) int {
	return cmp.Or(strings.Compare(a.Container, b.Container), strings.Compare(a.Key, b.Key))
}

func ceiling(v *review.Violation) review.Mode {
	if v.AtMost == 0 {
		return review.ModeEnforce
	}
	return v.AtMost
}
