package report

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"

	"taffrail.dev/webhook/decision"
)

const (
	// htmlFirst is the number of findings in the table of a page without a script.
	htmlFirst = 200
	// htmlBarsShown is the number of bars that are visible at first, and htmlBarsMost the number that the page
	// contains: a cluster may have thousands of namespaces.
	htmlBarsShown, htmlBarsMost = 8, 50
)

// htmlPage is what the template needs.
type htmlPage struct {
	Title, Version, Time  string
	ContentSecurityPolicy string
	Style                 template.CSS
	Script                template.JS
	Summary               string
	Tiles                 []htmlTile
	Messages              []htmlMessage
	Bars                  []htmlBars
	Findings, First       []*htmlFinding
	Data                  htmlWire
}

// Count returns a number with separators between thousands.
func (*htmlPage) Count(n int) string { return separated(n) }

func separated(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// htmlTile is one of the totals.
type htmlTile struct {
	Class, Label string
	Count        int
}

func tiles(s *Summary) []htmlTile {
	all := []htmlTile{
		{"", "objects", s.Objects}, {"denied", "denied", s.Deny}, {"unknown", "not decided in full", s.Unknown}, {"warned", "with warnings", s.Warn},
		{"allowed", "clean", s.Allow}, {"", "not checked", s.NotJudged}, {"denied", "errors", s.Errors},
	}
	if s.Errors == 1 {
		all[len(all)-1].Label = "error"
	}
	// The first is the whole, so it is shown even if it is 0.
	return slices.DeleteFunc(all, func(t htmlTile) bool { return t.Count == 0 && t.Label != "objects" })
}

// htmlMessage is about the report as a whole.
type htmlMessage struct{ Class, Label, Text string }

func (p *htmlPrinter) messages() []htmlMessage {
	var all []htmlMessage
	for _, problem := range problems(p.totals.Summary, p.totals.Errors) {
		all = append(all, htmlMessage{"denied", "error", problem.text()})
	}
	for _, problem := range p.totals.Warnings {
		all = append(all, htmlMessage{"warned", "warning", problem.text()})
	}
	if text := p.totals.unselected.text(); text != "" {
		all = append(all, htmlMessage{"unknown", "unknown", text})
	}
	if text := p.totals.Summary.changes(); text != "" {
		all = append(all, htmlMessage{"", "change", text})
	}
	for _, note := range p.totals.notes() {
		all = append(all, htmlMessage{"", "note", note})
	}
	return all
}

// text returns the problem on one line.
func (p *Problem) text() string {
	text := decision.Printable(p.Message)
	if p.Source.File != "" {
		text = decision.PrintablePath(p.Source.String()) + ": " + text
	}
	return text
}

// htmlBars is a chart.
type htmlBars struct {
	Key, Title string
	Shown      []*htmlBar
	// More are the bars that the reader has to unfold.
	More []*htmlBar
	// Left counts the bars that the page does not contain, and LeftFindings their findings.
	Left, LeftFindings int
}

// Hidden returns the number of bars that are not visible at first.
func (b htmlBars) Hidden() int { return len(b.More) + b.Left }

// htmlBar is a bar of a chart: one value, and its findings by outcome.
type htmlBar struct {
	Key, Value, Label string
	Count             int
	Parts             []htmlPart
	// Text has the counts that the parts show.
	Text string
}

// CountText returns the count with separators.
func (b *htmlBar) CountText() string { return separated(b.Count) }

// htmlPart is a part of a bar. Start and Length are thousandths of the chart's width.
type htmlPart struct {
	Class         string
	Start, Length int
}

// bars returns the chart of the findings by a value.
func (d *htmlData) bars(key, title string, value func(*htmlFinding) string) htmlBars {
	counts := map[string]map[string]int{}
	totals := map[string]int{}
	for _, f := range d.findings {
		if f.Change == string(Gone) {
			continue
		}
		value := value(f)
		if counts[value] == nil {
			counts[value] = map[string]int{}
		}
		counts[value][f.Outcome]++
		totals[value]++
	}
	values := slices.SortedFunc(maps.Keys(totals), func(a, b string) int {
		return cmp.Or(cmp.Compare(totals[b], totals[a]), cmp.Compare(a, b))
	})
	chart := htmlBars{Key: key, Title: title}
	for i, value := range values {
		if i >= htmlBarsMost {
			chart.Left++
			chart.LeftFindings += totals[value]
			continue
		}
		bar := newHTMLBar(key, value, counts[value], totals[value], totals[values[0]])
		if i < htmlBarsShown {
			chart.Shown = append(chart.Shown, bar)
		} else {
			chart.More = append(chart.More, bar)
		}
	}
	return chart
}

// newHTMLBar returns a bar whose length is proportional to its total.
func newHTMLBar(key, value string, counts map[string]int, total, longest int) *htmlBar {
	bar := &htmlBar{Key: key, Value: value, Label: value, Count: total}
	if value == "" {
		bar.Label = "(none)"
	}
	var texts []string
	done := 0
	for _, outcome := range outcomeOrder() {
		n := counts[outcome]
		if n == 0 {
			continue
		}
		start, end := done*1000/longest, (done+n)*1000/longest
		bar.Parts = append(bar.Parts, htmlPart{Class: outcome, Start: start, Length: max(1, end-start)})
		texts = append(texts, fmt.Sprintf("%s %s", separated(n), outcome))
		done += n
	}
	bar.Text = strings.Join(texts, ", ")
	return bar
}
