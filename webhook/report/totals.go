package report

import (
	"fmt"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// Totals gathers from the pieces of a report what is only known at its end.
type Totals struct {
	Summary  Summary
	Errors   []Problem
	Warnings []Problem
	kinds    []KindCount
	sorts    []SortCount
	// unselected is the zero value where everything is decided.
	unselected unselected
}

// KindCount is how many objects of a kind are not judged.
type KindCount struct {
	// Group is empty for the core kinds.
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// SortCount is how many documents of a sort were skipped.
type SortCount struct {
	What    manifest.Sort `json:"what"`
	Count   int           `json:"count"`
	Message string        `json:"message"`
}

// Add counts a piece.
func (t *Totals) Add(r *Report) {
	t.Summary.Add(r.Summary())
	t.Errors = append(t.Errors, r.Errors...)
	t.Warnings = append(t.Warnings, r.Warnings...)
	for i := range r.Objects {
		o := &r.Objects[i]
		t.unselected.add(o)
		if !o.IsJudged() {
			t.countKind(decision.RedactValue(o.Request.Kind.Group), decision.RedactValue(o.Request.Kind.Kind))
		}
	}
	for _, skipped := range r.Skipped {
		if sort := skipped.Reason.Sort; sort != manifest.Blank {
			t.countSort(sort)
		}
	}
}

func (t *Totals) countKind(group, kind string) {
	at := slices.IndexFunc(t.kinds, func(c KindCount) bool { return c.Group == group && c.Kind == kind })
	if at < 0 {
		at = len(t.kinds)
		t.kinds = append(t.kinds, KindCount{Group: group, Kind: kind})
	}
	t.kinds[at].Count++
}

func (t *Totals) countSort(sort manifest.Sort) {
	at := slices.IndexFunc(t.sorts, func(c SortCount) bool { return c.What == sort })
	if at < 0 {
		at = len(t.sorts)
		t.sorts = append(t.sorts, SortCount{What: sort})
	}
	t.sorts[at].Count++
}

// notJudged are the kinds that are not judged, the most frequent first.
func (t *Totals) notJudged() []KindCount {
	kinds := append([]KindCount{}, t.kinds...)
	slices.SortStableFunc(kinds, func(a, b KindCount) int { return b.Count - a.Count })
	return kinds
}

// skipped are the sorts that were skipped, the most frequent first.
func (t *Totals) skipped() []SortCount {
	sorts := append([]SortCount{}, t.sorts...)
	slices.SortStableFunc(sorts, func(a, b SortCount) int { return b.Count - a.Count })
	for i := range sorts {
		sorts[i].Message = sorts[i].message()
	}
	return sorts
}

func (c *SortCount) message() string {
	text := fmt.Sprintf("%d %s: not objects, not judged", c.Count, c.What.Plural())
	switch {
	case c.What == manifest.Excluded:
		// There may be objects in them.
		text = fmt.Sprintf("%d %s: not judged", c.Count, c.What.Plural())
		if c.Count == 1 {
			text = fmt.Sprintf("1 %s: not judged", c.What)
		}
	case c.Count == 1:
		text = fmt.Sprintf("1 %s: not an object, not judged", c.What)
	}
	if hint := c.What.Hint(); hint != "" {
		text += "; " + hint
	}
	return text
}

// notes are what there is to say of the run as a whole: what is not judged, and what was
// skipped.
func (t *Totals) notes() []string {
	var notes []string
	if len(t.kinds) > 0 {
		notes = append(notes, fmt.Sprintf("%s not judged, because no bound policy is about their kinds: %s", plural(t.Summary.NotJudged, "object"), t.kindsText()))
	}
	for _, skipped := range t.skipped() {
		notes = append(notes, skipped.Message)
	}
	return notes
}

// summaryText is the line that every report for people ends with.
func (t *Totals) summaryText() string {
	s := t.Summary
	parts := []string{}
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(s.Deny, "denied")
	add(s.Unknown, "not decided in full")
	add(s.Warn, "with warnings")
	add(s.Allow, "clean")
	add(s.NotJudged, "not judged ("+t.kindsText()+")")
	text := plural(s.Objects, "object")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if s.Errors > 0 {
		text += "; " + plural(s.Errors, "error")
	}
	return text
}

// kindsText lists the kinds that are not judged, as in 5 Rollout, 4 Application.
func (t *Totals) kindsText() string {
	const most = 8
	var parts []string
	kinds := t.notJudged()
	for i, c := range kinds {
		if i == most {
			parts = append(parts, plural(len(kinds)-most, "more kind"))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s", c.Count, Printable(c.Kind)))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
