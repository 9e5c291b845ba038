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

// outcome is the outcome of one request.
type outcome int

const (
	// answered means that the verdict was correct.
	answered outcome = iota
	// wrong means that a violating object was admitted, decided or not, or that a policy denied a good one.
	wrong
	// failed means that there was no verdict and nothing was admitted: an error of the API server or of the
	// connection to it.
	failed
)

// attempt is one request without an answer.
type attempt struct {
	began, ended time.Time
	outcome      outcome
	// class is the same for all failures with the same cause.
	class string
}

// tally has the results of a load.
type tally struct {
	tried, answered int
	wrong, failed   []attempt
	// retries is the largest number of retries, 1 s apart, that any request needed. gaveUp counts requests that
	// were never answered.
	retries, gaveUp int
}

// phase is a period in which requests failed: from the first one's start to the last one's end. Failures less
// than calm apart belong to one phase, because clients wait between retries.
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

// longest returns the longest phase.
func (t tally) longest() phase {
	phases := t.phases()
	if len(phases) == 0 {
		return phase{}
	}
	return slices.MaxFunc(phases, func(a, b phase) int { return cmp.Compare(a.length(), b.length()) })
}

// lastFailure returns the failure that ended last, among those that began before a time, or among all if the
// time is zero. It is empty if there is none.
func (t tally) lastFailure(before time.Time) attempt {
	var last attempt
	for _, a := range t.failed {
		if (before.IsZero() || a.began.Before(before)) && a.ended.After(last.ended) {
			last = a
		}
	}
	return last
}

// row returns the tally as a row of the table.
func (t tally) row() string {
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%.1f s\t%d\t%s",
		t.tried, t.answered, len(t.wrong), len(t.failed), t.longest().length().Seconds(), t.retries, t.how())
}

func (t tally) String() string {
	return fmt.Sprintf("%d tried, %d answered, %d wrong, %d failed for %.1f s at most, %d retries at most. %s",
		t.tried, t.answered, len(t.wrong), len(t.failed), t.longest().length().Seconds(), t.retries, t.how())
}

// how returns the classes of failures, with their numbers.
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
	validating = "validate.taffrail.dev" // other validating entries have the same suffix
	// unfilled is the class of Pods that were denied because mutate.taffrail.dev had failed open.
	unfilled = "nothing was filled in, and so refused"
)

// outcomeOf returns the outcome of a request, given whether the object violates policies and the error of the
// request.
func outcomeOf(violating bool, err error) (outcome, string) {
	denied := deniedBy(err)
	switch {
	case err == nil && violating:
		return wrong, "a violating object was admitted"
	case err == nil, denied && violating:
		return answered, ""
	case denied && strings.Contains(err.Error(), "- require-resources, "):
		// Taffrail fills in missing resources of the good objects. If mutate.taffrail.dev fails open,
		// validate.taffrail.dev denies them.
		return failed, unfilled
	case denied:
		return wrong, "a good object was refused: " + err.Error()
	}
	return failed, classify(err)
}

// deniedBy reports whether a policy denied the request, rather than the API server or an error.
func deniedBy(err error) bool {
	status := apierrors.APIStatus(nil)
	return errors.As(err, &status) && strings.Contains(status.Status().Message, validating+`" denied the request`)
}

var calling = regexp.MustCompile(`failed calling webhook "([^"]+)"`)

// classify shortens an error to the part that failures with the same cause share.
func classify(err error) string {
	text := err.Error()
	tail := text[strings.LastIndex(text, ": ")+1:]
	if found := calling.FindStringSubmatch(text); found != nil {
		return found[1] + ":" + tail
	}
	if apierrors.IsForbidden(err) {
		// After a restart, RBAC has not yet read its roles.
		return "API server: forbidden"
	}
	return "API server:" + tail
}
