//go:build e2e

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// outcome is what became of one request.
type outcome int

const (
	// answered is a verdict, and the right one.
	answered outcome = iota
	// wrong is a violating object that got in, with a verdict or without one, or a good one
	// that was refused by a policy.
	wrong
	// failed is no verdict, and nothing that got in: an error of the API server or on the
	// way to it.
	failed
)

// attempt is one request that was not answered.
type attempt struct {
	began, ended time.Time
	outcome      outcome
	// class is what was wrong, the same for all that went wrong in the same way.
	class string
}

// tally is what a load saw.
type tally struct {
	tried, answered int
	wrong, failed   []attempt
	// retries is how often the unluckiest request had to be sent again, 1 s apart, until it
	// was answered, and gaveUp how many never were.
	retries, gaveUp int
}

// phase is a time in which requests failed: from when the first was sent to when the last
// came back. Failures that are less than calm apart are one phase: a client that waits to
// try again does not end it.
type phase struct{ began, ended time.Time }

func (p phase) length() time.Duration { return p.ended.Sub(p.began) }

const calm = 2 * retryAfter

func (t tally) phases() []phase {
	attempts := slices.SortedFunc(slices.Values(t.failed), func(a, b attempt) int { return a.began.Compare(b.began) })
	var phases []phase
	for _, a := range attempts {
		if n := len(phases); n > 0 && a.began.Before(phases[n-1].ended.Add(calm)) {
			if a.ended.After(phases[n-1].ended) {
				phases[n-1].ended = a.ended
			}
			continue
		}
		phases = append(phases, phase{a.began, a.ended})
	}
	return phases
}

// longest is the longest of them.
func (t tally) longest() phase {
	phases := t.phases()
	if len(phases) == 0 {
		return phase{}
	}
	return slices.MaxFunc(phases, func(a, b phase) int { return cmp.Compare(a.length(), b.length()) })
}

// lastFailure is the failure that came back last, of those that began before a time, or of all
// where the time is zero. Where there are none it is empty.
func (t tally) lastFailure(before time.Time) attempt {
	var last attempt
	for _, a := range t.failed {
		if (before.IsZero() || a.began.Before(before)) && a.ended.After(last.ended) {
			last = a
		}
	}
	return last
}

// row is the tally for the table.
func (t tally) row() string {
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%.1f s\t%d\t%s",
		t.tried, t.answered, len(t.wrong), len(t.failed), t.longest().length().Seconds(), t.retries, t.how())
}

func (t tally) String() string {
	return fmt.Sprintf("%d tried, %d answered, %d wrong, %d failed for %.1f s at most, %d retries at most. %s",
		t.tried, t.answered, len(t.wrong), len(t.failed), t.longest().length().Seconds(), t.retries, t.how())
}

// how says in which ways it failed, and how often.
func (t tally) how() string {
	classes := map[string]int{}
	for _, a := range append(slices.Clone(t.wrong), t.failed...) {
		classes[a.class]++
	}
	var how []string
	for class, n := range classes {
		how = append(how, fmt.Sprintf("%d × %s", n, class))
	}
	slices.Sort(how)
	return strings.Join(how, "; ")
}

const (
	mutating   = "mutate.taffrail.dev"
	validating = "validate.taffrail.dev" // the names of the other entries that validate end alike
	// unfilled is a class.
	unfilled = "nothing was filled in, and so refused"
)

// judge says what became of a request for an object that policies refuse, or do not, by
// the error that came of it.
func judge(violating bool, err error) (outcome, string) {
	denied := deniedBy(err)
	switch {
	case err == nil && violating:
		return wrong, "a violating object got in"
	case err == nil, denied && violating:
		return answered, ""
	case denied && strings.Contains(err.Error(), "- require-resources, "):
		// The good objects have resources, or Taffrail fills them in: mutate.taffrail.dev fails
		// open, and what it left out validate.taffrail.dev then refuses.
		return failed, unfilled
	case denied:
		return wrong, "a good object was refused: " + err.Error()
	}
	return failed, classify(err)
}

// deniedBy tells whether a policy refused, and not the API server or an error.
func deniedBy(err error) bool {
	status := apierrors.APIStatus(nil)
	return errors.As(err, &status) && strings.Contains(status.Status().Message, validating+`" denied the request`)
}

var calling = regexp.MustCompile(`failed calling webhook "([^"]+)"`)

// classify shortens an error to what failures of the same cause share.
func classify(err error) string {
	text := err.Error()
	tail := text[strings.LastIndex(text, ": ")+1:]
	if found := calling.FindStringSubmatch(text); found != nil {
		return found[1] + ":" + tail
	}
	if apierrors.IsForbidden(err) {
		// RBAC after a restart, before it has read its roles.
		return "API server: forbidden"
	}
	return "API server:" + tail
}
