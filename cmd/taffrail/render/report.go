package render

import (
	"fmt"
	"slices"

	"taffrail.dev/cmd/taffrail/manifest"
	"taffrail.dev/webhook/review"
)

// Report is the outcome of a check, in the order of the input.
type Report struct {
	Objects []Object
	Errors  []Problem
	// Warnings are about fields that have no effect.
	Warnings []Problem
	// Skipped is what is no object, and was not named as one.
	Skipped []Skipped
}

// Skipped is a document that is no object.
type Skipped struct {
	Source manifest.Source
	Reason *manifest.NotObject
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
	// NotJudged counts the objects that no bound policy is about. Allow does not.
	NotJudged int `json:"notJudged"`
	Errors    int `json:"errors"`
	Warnings  int `json:"warnings"`
	Skipped   int `json:"skipped"`
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

// KindCount is how many objects of a kind are not judged.
type KindCount struct {
	// Group is empty for the core kinds.
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// NotJudged counts the objects that are not judged by their kind, the most first.
func (r *Report) NotJudged() []KindCount {
	counts := []KindCount{}
	for i := range r.Objects {
		o := &r.Objects[i]
		if o.IsJudged() {
			continue
		}
		kind := o.Request.Kind
		at := slices.IndexFunc(counts, func(c KindCount) bool { return c.Group == kind.Group && c.Kind == kind.Kind })
		if at < 0 {
			at = len(counts)
			counts = append(counts, KindCount{Group: kind.Group, Kind: kind.Kind})
		}
		counts[at].Count++
	}
	slices.SortStableFunc(counts, func(a, b KindCount) int { return b.Count - a.Count })
	return counts
}

// SortCount is how many documents of a sort were skipped.
type SortCount struct {
	What    manifest.Sort `json:"what"`
	Count   int           `json:"count"`
	Message string        `json:"message"`
}

// SkippedBySort counts what was skipped, the most first. Blank documents are of no interest.
func (r *Report) SkippedBySort() []SortCount {
	counts := []SortCount{}
	for _, s := range r.Skipped {
		sort := s.Reason.Sort
		if sort == manifest.Blank {
			continue
		}
		at := slices.IndexFunc(counts, func(c SortCount) bool { return c.What == sort })
		if at < 0 {
			at = len(counts)
			counts = append(counts, SortCount{What: sort})
		}
		counts[at].Count++
	}
	slices.SortStableFunc(counts, func(a, b SortCount) int { return b.Count - a.Count })
	for i := range counts {
		counts[i].Message = counts[i].message()
	}
	return counts
}

func (c *SortCount) message() string {
	text := fmt.Sprintf("%d %s: not objects, not judged", c.Count, c.What.Plural())
	if c.Count == 1 {
		text = fmt.Sprintf("1 %s: no object, not judged", c.What)
	}
	if hint := c.What.Hint(); hint != "" {
		text += "; " + hint
	}
	return text
}

// notes are what there is to say of the run as a whole: what was not judged, and what was
// skipped.
func (r *Report) notes() []string {
	var notes []string
	if kinds := r.notJudgedKinds(); kinds != "" {
		notes = append(notes, fmt.Sprintf("%s not judged, for no bound policy is about them: %s", plural(r.Summary().NotJudged, "object"), kinds))
	}
	for _, skipped := range r.SkippedBySort() {
		notes = append(notes, skipped.Message)
	}
	return notes
}

// IsEmpty reports whether the input has nothing in it that anybody could have meant.
func (r *Report) IsEmpty() bool {
	return len(r.Objects)+len(r.Errors) == 0 && (len(r.Skipped) == 0 || len(r.SkippedBySort()) > 0)
}

// Summary counts what the report holds.
func (r *Report) Summary() Summary {
	s := Summary{Objects: len(r.Objects), Errors: len(r.Errors), Warnings: len(r.Warnings)}
	for _, c := range r.SkippedBySort() {
		s.Skipped += c.Count
	}
	for i := range r.Objects {
		if !r.Objects[i].IsJudged() {
			s.NotJudged++
			continue
		}
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

// problems are what makes the exit code 2: the errors or, where there is neither an
// object nor an error, that.
func (r *Report) problems() []Problem {
	if r.IsEmpty() {
		return []Problem{{Message: Nothing}}
	}
	return r.Errors
}

// Fails tells whether a verdict makes the exit code 1, failOn being the mildest that does.
func Fails(verdict, failOn review.Verdict) bool {
	byCost := []review.Verdict{review.VerdictAllow, review.VerdictWarn, review.VerdictUnknown, review.VerdictDeny}
	return slices.Index(byCost, verdict) >= slices.Index(byCost, failOn)
}
