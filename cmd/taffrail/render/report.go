package render

import (
	"slices"

	"taffrail.dev/cmd/taffrail/manifest"
	"taffrail.dev/webhook/review"
)

// Report is the outcome of a check, in the order of the input.
type Report struct {
	Objects []Object
	Errors  []Problem
}

// Object is one object and the decision about it.
type Object struct {
	Source manifest.Source
	// Item is what the object was read from, for the formats that point at fields. The
	// zero Item knows of no place but Source.
	Item     manifest.Item
	Request  *review.Request
	Decision *review.Decision
}

// Nothing is why an empty input is no clean one.
const Nothing = "there is no object in the input"

// Problem is something in the input that could not be decided.
type Problem struct {
	Source  manifest.Source `json:"source"`
	Message string          `json:"message"`
}

// Summary counts objects by verdict.
type Summary struct {
	Objects int `json:"objects"`
	Allow   int `json:"allow"`
	Warn    int `json:"warn"`
	Deny    int `json:"deny"`
	Unknown int `json:"unknown"`
	Errors  int `json:"errors"`
}

// Summary counts what the report holds.
func (r *Report) Summary() Summary {
	s := Summary{Objects: len(r.Objects), Errors: len(r.Errors)}
	for i := range r.Objects {
		switch r.Objects[i].Decision.Verdict {
		case review.VerdictAllow:
			s.Allow++
		case review.VerdictWarn:
			s.Warn++
		case review.VerdictUnknown:
			s.Unknown++
		case review.VerdictDeny:
			s.Deny++
		}
	}
	return s
}

// Add counts what another report holds.
func (s *Summary) Add(other Summary) {
	s.Objects += other.Objects
	s.Allow += other.Allow
	s.Warn += other.Warn
	s.Deny += other.Deny
	s.Unknown += other.Unknown
	s.Errors += other.Errors
}

// Fails reports whether one of the objects makes the exit code 1.
func (s *Summary) Fails(failOn review.Verdict) bool {
	return s.Deny > 0 && Fails(review.VerdictDeny, failOn) || s.Unknown > 0 && Fails(review.VerdictUnknown, failOn) ||
		s.Warn > 0 && Fails(review.VerdictWarn, failOn)
}

// problems are what makes the exit code 2: the errors or, where there is neither an
// object nor an error, that.
func problems(s Summary, errors []Problem) []Problem {
	if s.Errors+s.Objects == 0 {
		return []Problem{{Message: Nothing}}
	}
	return errors
}

// Fails tells whether a verdict makes the exit code 1, failOn being the mildest that does.
func Fails(verdict, failOn review.Verdict) bool {
	byCost := []review.Verdict{review.VerdictAllow, review.VerdictWarn, review.VerdictUnknown, review.VerdictDeny}
	return slices.Index(byCost, verdict) >= slices.Index(byCost, failOn)
}
