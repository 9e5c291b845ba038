package render

import (
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
	Source   manifest.Source
	Request  *review.Request
	Decision *review.Decision
}

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
