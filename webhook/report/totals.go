package report

import (
	"fmt"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// Totals accumulates the parts of a report that are known only at its end.
type Totals struct {
	Summary    Summary
	Errors     []Problem
	Warnings   []Problem
	Notes      []string
	Gone       []GoneFinding
	kinds      []KindCount
	categories []CategoryCount
	// unselected is the zero value if everything was decided.
	unselected unselected
}

// KindCount counts the objects of a kind to which no bound policy applies.
type KindCount struct {
	// Group is empty for the core kinds.
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// CategoryCount counts the skipped documents of a category.
type CategoryCount struct {
	What    manifest.Category `json:"what"`
	Count   int               `json:"count"`
	Message string            `json:"message"`
}

// Add adds a piece of a report.
func (t *Totals) Add(r *Report) {
	t.Summary.Add(r.Summary())
	t.Errors = append(t.Errors, r.Errors...)
	t.Warnings = append(t.Warnings, r.Warnings...)
	t.Notes = append(t.Notes, r.Notes...)
	t.Gone = append(t.Gone, r.Gone...)
	for i := range r.Objects {
		o := &r.Objects[i]
		t.unselected.add(o)
		if !o.IsJudged() {
			t.countKind(decision.RedactValue(o.Request.Kind.Group), decision.RedactValue(o.Request.Kind.Kind))
		}
	}
	for _, skipped := range r.Skipped {
		if category := skipped.Reason.Category; category != manifest.Blank {
			t.countCategory(category)
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

func (t *Totals) countCategory(category manifest.Category) {
	at := slices.IndexFunc(t.categories, func(c CategoryCount) bool { return c.What == category })
	if at < 0 {
		at = len(t.categories)
		t.categories = append(t.categories, CategoryCount{What: category})
	}
	t.categories[at].Count++
}

// notJudged returns the kinds to which no bound policy applies, the most frequent first.
func (t *Totals) notJudged() []KindCount {
	kinds := append([]KindCount{}, t.kinds...)
	slices.SortStableFunc(kinds, func(a, b KindCount) int { return b.Count - a.Count })
	return kinds
}

// skipped returns the categories of skipped documents, the most frequent first.
func (t *Totals) skipped() []CategoryCount {
	categories := append([]CategoryCount{}, t.categories...)
	slices.SortStableFunc(categories, func(a, b CategoryCount) int { return b.Count - a.Count })
	for i := range categories {
		categories[i].Message = categories[i].message()
	}
	return categories
}

func (c *CategoryCount) message() string {
	text := fmt.Sprintf("%d %s: not objects, not checked", c.Count, c.What.Plural())
	switch {
	case c.What == manifest.Excluded:
		// Excluded files may contain objects.
		text = fmt.Sprintf("%d %s: not checked", c.Count, c.What.Plural())
		if c.Count == 1 {
			text = fmt.Sprintf("1 %s: not checked", c.What)
		}
	case c.Count == 1:
		text = fmt.Sprintf("1 %s: not an object, not checked", c.What)
	}
	if hint := c.What.Hint(); hint != "" {
		text += "; " + hint
	}
	return text
}

// notes returns the messages about the run as a whole: its notes, the objects to which no bound policy applies, and the
// documents that were skipped.
func (t *Totals) notes() []string {
	var notes []string
	for _, note := range t.Notes {
		notes = append(notes, decision.Printable(note))
	}
	if len(t.kinds) > 0 {
		notes = append(notes, fmt.Sprintf("%s not checked, because no bound policy applies to their kinds: %s", plural(t.Summary.NotJudged, "object"), t.kindsText()))
	}
	for _, skipped := range t.skipped() {
		notes = append(notes, skipped.Message)
	}
	return notes
}

// summaryText returns the last line of every report for people.
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
	add(s.NotJudged, "not checked ("+t.kindsText()+")")
	text := plural(s.Objects, "object")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if s.Errors > 0 {
		text += "; " + plural(s.Errors, "error")
	}
	if changes := s.changes(); changes != "" {
		text += "; " + changes
	}
	return text
}

// kindsText lists the kinds to which no bound policy applies, as in 5 Rollout, 4 Application.
func (t *Totals) kindsText() string {
	const most = 8
	var parts []string
	kinds := t.notJudged()
	for i, c := range kinds {
		if i == most {
			parts = append(parts, plural(len(kinds)-most, "more kind"))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s", c.Count, decision.Printable(c.Kind)))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
