package main

import (
	"fmt"
	"strings"
)

// maxFailures limits the reasons that are reported. One may name a namespace, of which there can be thousands.
const maxFailures = 20

// auditFailures collects why objects could not be decided. Most of the time one reason holds for many.
type auditFailures struct {
	order []*auditFailure
	byKey map[string]*auditFailure
}

type auditFailure struct {
	// first is the first object.
	first     string
	one, many string
	reason    string
	count     int
}

// add counts an object. one and many continue a sentence about one object, and about several.
func (f *auditFailures) add(subject, one, many string, err error) {
	if f.byKey == nil {
		f.byKey = map[string]*auditFailure{}
	}
	key := one + "\x00" + err.Error()
	failure, found := f.byKey[key]
	if !found {
		failure = &auditFailure{first: strings.Clone(subject), one: one, many: many, reason: err.Error()}
		f.byKey[key] = failure
		f.order = append(f.order, failure)
	}
	failure.count++
}

func (f *auditFailures) errors() (errs []error) {
	left, objects := 0, 0
	for i, failure := range f.order {
		if i >= maxFailures {
			left++
			objects += failure.count
			continue
		}
		what := failure.first + " " + failure.one
		if failure.count > 1 {
			what = fmt.Sprintf("%d objects, such as %s, %s", failure.count, failure.first, failure.many)
		}
		errs = append(errs, fmt.Errorf("%s: %s", what, failure.reason))
	}
	if left > 0 {
		errs = append(errs, fmt.Errorf("%d more objects were not decided, or not in full, for %d more reasons", objects, left))
	}
	return errs
}

// firstErrors returns the first errors, and counts the rest.
func firstErrors(errs []error) []error {
	if len(errs) <= maxFailures {
		return errs
	}
	return append(errs[:maxFailures:maxFailures], fmt.Errorf("you are not permitted to read %d more of what decisions depend on", len(errs)-maxFailures))
}
