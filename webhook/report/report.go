package report

import (
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// Report is the result of a check, in the order of the input.
type Report struct {
	Objects []Object
	Errors  []Problem
	// Warnings are about fields that have no effect.
	Warnings []Problem
	// Skipped are the documents that are not objects and were found in a folder, not named.
	Skipped []Skipped
	// Notes are about the run as a whole.
	Notes []string
	// Passed counts, by namespace, how many times a policy found nothing in an object.
	Passed map[string]int
	// Live is true if the objects were read from a cluster, where it is no mistake if there is none.
	Live bool
	// Compared is true if there is an earlier report, and Gone has the findings that only that report has.
	Compared bool
	Gone     []GoneFinding
}

// Skipped is a document that is not an object.
type Skipped struct {
	Source manifest.Source
	Reason *manifest.NotObjectError
}

// Object is an object and the decision about it.
type Object struct {
	Source manifest.Source
	// Item is the source of the object, for formats that refer to fields. With the zero Item, the
	// only known position is Source.
	Item     manifest.Item
	Request  *decision.Request
	Decision *decision.Decision
	// Cluster is the name of the cluster that the object is in, and Context that of the context in the
	// kubeconfig file. They are empty for an object of a file.
	Cluster, Context string
	// Owner is the team that the object belongs to, or empty if it is not known.
	Owner string
	// Changes is how each finding of the decision differs from an earlier report. It is nil without one.
	Changes []Change
}

// IsJudged reports whether any bound policy applies to the object.
func (o *Object) IsJudged() bool { return !o.Decision.Unbound }

// notJudgedText explains why no policy was evaluated.
func (o *Object) notJudgedText() string {
	text := "is not checked: no bound policy applies to a " + decision.Printable(o.Request.Kind.Kind)
	if namespace := o.Request.Namespace.Name; namespace != "" {
		text += " in namespace " + decision.Printable(namespace)
	}
	return text
}

// NoObjects is the error for an empty input, which must not look like a clean one.
const NoObjects = "there is no object in the input"

// Problem is a part of the input that could not be decided.
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
	// NotJudged counts the objects to which no bound policy applies. They are not included in
	// Allow.
	NotJudged int `json:"notJudged"`
	Errors    int `json:"errors"`
	Warnings  int `json:"warnings"`
	// Skipped counts the documents that are not objects, except for blank ones.
	Skipped int `json:"skipped"`
	// New, Unchanged and Gone count findings by their change since an earlier report.
	New       int `json:"new"`
	Unchanged int `json:"unchanged"`
	Gone      int `json:"gone"`

	blank              int
	isLive, isCompared bool
}

// Summary returns the counts of the report.
func (r *Report) Summary() Summary {
	s := Summary{Objects: len(r.Objects), Errors: len(r.Errors), Warnings: len(r.Warnings), Gone: len(r.Gone), isLive: r.Live, isCompared: r.Compared}
	for _, skipped := range r.Skipped {
		if skipped.Reason.Category == manifest.Blank {
			s.blank++
		} else {
			s.Skipped++
		}
	}
	for i := range r.Objects {
		for _, change := range r.Objects[i].Changes {
			switch change {
			case New:
				s.New++
			case Unchanged:
				s.Unchanged++
			case Gone: // they are of no object
			}
		}
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

// Add adds the counts of another summary.
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
	s.New += other.New
	s.Unchanged += other.Unchanged
	s.Gone += other.Gone
	s.blank += other.blank
	s.isLive = s.isLive || other.isLive
	s.isCompared = s.isCompared || other.isCompared
}

// IsEmpty reports whether the input contains nothing that was meant to be checked. Blank
// documents alone do not make it empty: a chart with everything disabled renders to comments.
func (s *Summary) IsEmpty() bool {
	return s.Objects+s.Errors == 0 && !s.isLive && (s.blank == 0 || s.Skipped > 0)
}

// Fails reports whether one of the objects makes the exit code 1, failOn being the mildest
// verdict that does.
func (s *Summary) Fails(failOn decision.Verdict) bool {
	return s.Deny > 0 && decision.VerdictDeny >= failOn || s.Unknown > 0 && decision.VerdictUnknown >= failOn ||
		s.Warn > 0 && decision.VerdictWarn >= failOn
}

// problems returns what makes the exit code 2: the errors or, if the input is empty, that.
func problems(s Summary, errors []Problem) []Problem {
	if s.IsEmpty() {
		return []Problem{{Message: NoObjects}}
	}
	return errors
}
