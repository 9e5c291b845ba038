package report

import (
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// Report is the outcome of a check, in the order of the input.
type Report struct {
	Objects []Object
	Errors  []Problem
	// Warnings are about fields that have no effect.
	Warnings []Problem
	// Skipped are the documents that are no objects, and were not named as one.
	Skipped []Skipped
}

// Skipped is a document that is no object.
type Skipped struct {
	Source manifest.Source
	Reason *manifest.NotObjectError
}

// Object is one object and the decision about it.
type Object struct {
	Source manifest.Source
	// Item is what the object was read from, for the formats that point at fields. The
	// zero Item knows of no place but Source.
	Item     manifest.Item
	Request  *decision.Request
	Decision *decision.Decision
}

// IsJudged reports whether any policy was asked about the object.
func (o *Object) IsJudged() bool { return !o.Decision.Unbound }

// notJudgedText is why nothing is said of an object that is not judged.
func (o *Object) notJudgedText() string {
	text := "is not judged: no bound policy is about a " + Printable(o.Request.Kind.Kind)
	if namespace := o.Request.Namespace.Name; namespace != "" {
		text += " in namespace " + Printable(namespace)
	}
	return text
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
	// NotJudged counts the objects that no bound policy is about. Allow does not.
	NotJudged int `json:"notJudged"`
	Errors    int `json:"errors"`
	Warnings  int `json:"warnings"`
	// Skipped counts the documents that are no objects, without the blank ones.
	Skipped int `json:"skipped"`
	blank   int
}

// Summary counts what the report holds.
func (r *Report) Summary() Summary {
	s := Summary{Objects: len(r.Objects), Errors: len(r.Errors), Warnings: len(r.Warnings)}
	for _, skipped := range r.Skipped {
		if skipped.Reason.Sort == manifest.Blank {
			s.blank++
		} else {
			s.Skipped++
		}
	}
	for i := range r.Objects {
		if !r.Objects[i].IsJudged() {
			s.NotJudged++
			continue
		}
		switch r.Objects[i].Decision.Verdict {
		case decision.VerdictAllow:
			s.Allow++
		case decision.VerdictWarn:
			s.Warn++
		case decision.VerdictUnknown:
			s.Unknown++
		case decision.VerdictDeny:
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
	s.NotJudged += other.NotJudged
	s.Errors += other.Errors
	s.Warnings += other.Warnings
	s.Skipped += other.Skipped
	s.blank += other.blank
}

// IsEmpty reports whether the input has nothing in it that anybody could have meant. Text
// without an object is something, if there is nothing else: a chart with everything off
// renders to comments.
func (s *Summary) IsEmpty() bool {
	return s.Objects+s.Errors == 0 && (s.blank == 0 || s.Skipped > 0)
}

// Fails reports whether one of the objects makes the exit code 1, failOn being the mildest
// verdict that does.
func (s *Summary) Fails(failOn decision.Verdict) bool {
	return s.Deny > 0 && decision.VerdictDeny >= failOn || s.Unknown > 0 && decision.VerdictUnknown >= failOn ||
		s.Warn > 0 && decision.VerdictWarn >= failOn
}

// problems are what makes the exit code 2: the errors or, where there is neither an
// object nor an error, that.
func problems(s Summary, errors []Problem) []Problem {
	if s.IsEmpty() {
		return []Problem{{Message: Nothing}}
	}
	return errors
}
