package report

import (
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
)

// replayPage is what the template of a replay needs.
type replayPage struct {
	Title, Version, Time, Log string
	ContentSecurityPolicy     string
	Style                     template.CSS
	Tiles                     []htmlTile
	Messages                  []htmlMessage
	replayChart

	Bars     []htmlBars
	Heading  string
	Rows     []replayRow
	More     int
	Coverage []replayCoverage
}

// Count returns a number with separators between thousands.
func (*replayPage) Count(n int) string { return separated(n) }

// replayRow is a workload.
type replayRow struct {
	Class, Outcome                       string
	Count                                int
	Policies                             []string
	Kind, Namespace, Name, When, Writers string
	Findings                             []replayFinding
}

// replayFinding is a finding in a replayRow.
type replayFinding struct{ Message, Container, Path, Remediation, Guardrails, Mode, Outcome, Unknown string }

// replayCoverage is what the log has of a resource.
type replayCoverage struct {
	Resource                                   string
	Writes, RequestResponse, Request, Metadata int64
	Conclusion                                 string
}

// replayRows is the number of workloads in the page.
const replayRows = 500

// ReplayHTML writes the report of a replay as one page, which contains everything that it needs, sends no request and
// has no script.
func ReplayHTML(w io.Writer, r *replay.Report, o HTMLOptions) error {
	page, err := template.ParseFS(htmlFiles, "html/replay.html")
	if err != nil {
		return err
	}
	style, err := htmlFiles.ReadFile("html/page.css")
	if err != nil {
		return err
	}
	text := &replayText{report: r}
	text.log()
	log, notes, _ := strings.Cut(text.String(), "\n")
	data := &replayPage{
		Title: o.Title, Version: o.Version, Time: o.Now.UTC().Format("2006-01-02 15:04 UTC"), Log: log,
		ContentSecurityPolicy: contentSecurityPolicy(string(style), ""), Style: template.CSS(style), replayChart: chartOf(r),
		Tiles: replayTiles(&r.Counts), Messages: replayMessages(r, notes),
	}
	for _, by := range []struct {
		key, title string
		groups     []replay.Group
	}{{"policy", "By policy", r.Policies}, {"namespace", "By namespace", r.Namespaces}, {"writer", "By writer", r.Writers}, {"kind", "By kind", r.Kinds}} {
		if len(by.groups) > 0 && r.Changes == nil {
			data.Bars = append(data.Bars, replayBars(by.key, by.title, by.groups))
		}
	}
	data.rows(r)
	for i := range r.Coverage.Resources {
		c := &r.Coverage.Resources[i]
		data.Coverage = append(data.Coverage, replayCoverage{decision.Printable(c.Resource), c.Writes, c.RequestResponse, c.Request, c.Metadata, conclusion(c)})
	}
	return page.Execute(w, data)
}

func replayTiles(n *replay.Counts) []htmlTile {
	all := []htmlTile{
		{"", "writes sent", int(n.Sent)}, {"denied", "denied", int(n.Deny)}, {"unknown", "unknown", int(n.Unknown)}, {"warned", "with warnings", int(n.Warn)},
		{"allowed", "admitted", int(n.Allow)}, {"", "with no policy", int(n.Unbound)}, {"", "new Pods filled in", int(n.Filled)},
	}
	return slices.DeleteFunc(all, func(t htmlTile) bool { return t.Count == 0 && t.Label != "writes sent" })
}

func replayMessages(r *replay.Report, notes string) (all []htmlMessage) {
	for line := range strings.Lines(notes) {
		if text, found := strings.CutPrefix(strings.TrimSpace(line), "note: "); found {
			all = append(all, htmlMessage{"", "note", text})
		} else if text != "" {
			all = append(all, htmlMessage{"warned", "damage", text})
		}
	}
	for _, reason := range r.Reasons {
		all = append(all, htmlMessage{"unknown", "unknown", decision.Printable(fmt.Sprintf("%d: %s", reason.Count, reason.Reason))})
	}
	return all
}

func replayBars(key, title string, groups []replay.Group) htmlBars {
	total := func(g *replay.Group) int { return int(g.Deny + g.Unknown + g.Warn) }
	groups = slices.DeleteFunc(slices.Clone(groups), func(g replay.Group) bool { return total(&g) == 0 })
	longest := 1
	for i := range groups {
		longest = max(longest, total(&groups[i]))
	}
	chart := htmlBars{Key: key, Title: title}
	for i := range groups {
		g := &groups[i]
		if i >= htmlBarsMost {
			chart.Left++
			chart.LeftFindings += total(g)
			continue
		}
		counts := map[string]int{"denied": int(g.Deny), "unknown": int(g.Unknown), "warned": int(g.Warn)}
		bar := newHTMLBar(key, decision.Printable(g.Name), counts, total(g), longest)
		if i < htmlBarsShown {
			chart.Shown = append(chart.Shown, bar)
		} else {
			chart.More = append(chart.More, bar)
		}
	}
	return chart
}

// rows sets the rows: the workloads, or what a second configuration changes.
func (p *replayPage) rows(r *replay.Report) {
	if r.Changes == nil {
		p.Heading = "Workloads"
		for i := range r.Workloads {
			w := &r.Workloads[i]
			p.row(w, verdictClass(w.Verdict), outcomeOf(w.Verdict), w.Findings)
		}
		return
	}
	p.Heading = "What the second configuration changes"
	for i := range r.Changes.Workloads {
		one := &r.Changes.Workloads[i]
		class := verdictClass(one.Verdict)
		if one.What == replay.NoLongerDenied {
			class = "recorded"
		}
		p.row(&one.Workload, class, changeText(one.What), slices.Concat(one.Findings, one.Removed))
	}
}

func (p *replayPage) row(w *replay.Workload, class, outcome string, findings []replay.Finding) {
	if len(p.Rows) >= replayRows {
		p.More++
		return
	}
	row := replayRow{
		Class: class, Outcome: outcome, Count: int(w.Count), Kind: decision.Printable(w.Kind), Namespace: decision.Printable(w.Namespace), Name: decision.Printable(w.Name),
		When: minute(w.First) + " UTC", Writers: decision.Printable(strings.Join(w.Writers, ", ")),
	}
	if w.Count > 1 {
		row.When = minute(w.First) + " to " + minute(w.Last) + " UTC"
	}
	for i := range findings {
		f := &findings[i]
		if !slices.Contains(row.Policies, f.Policy) {
			row.Policies = append(row.Policies, f.Policy)
		}
		row.Findings = append(row.Findings, replayFinding{
			decision.Printable(f.Message), decision.Printable(f.Container), decision.Printable(f.Path), decision.Printable(f.Remediation), strings.Join(f.Guardrails, ", "), f.Mode.String(),
			f.Outcome, decision.Printable(f.Unknown),
		})
	}
	p.Rows = append(p.Rows, row)
}

func verdictClass(v decision.Verdict) string {
	switch v {
	case decision.VerdictDeny:
		return "denied"
	case decision.VerdictUnknown:
		return "unknown"
	case decision.VerdictWarn:
		return "warned"
	case decision.VerdictAllow:
	}
	return "allowed"
}

// replayChart is the chart over time.
type replayChart struct {
	Columns        []replayColumn
	From, To, Step string
	// Most is the number of writes in the highest column.
	Most int
}

// replayColumn is a part of the time.
type replayColumn struct {
	// At and Width are thousandths of the width of the chart.
	At, Width int
	Parts     []htmlPart
	Text      string
}

// chartColumns is the maximum number of columns, and chartHeight the height of the chart.
const chartColumns, chartHeight = 120, 160

// chartOf returns the chart of the writes that are not simply admitted.
func chartOf(r *replay.Report) (c replayChart) {
	if len(r.Hours) == 0 {
		return c
	}
	first, last := r.Hours[0].From, r.Hours[len(r.Hours)-1].From.Add(time.Hour)
	hours := int(last.Sub(first) / time.Hour)
	step := (hours + chartColumns - 1) / chartColumns
	n := (hours + step - 1) / step
	sums := make([]replay.Hour, n)
	for _, hour := range r.Hours {
		sum := &sums[int(hour.From.Sub(first)/time.Hour)/step]
		sum.Deny += hour.Deny
		sum.Unknown += hour.Unknown
		sum.Warn += hour.Warn
	}
	for i := range sums {
		c.Most = max(c.Most, int(sums[i].Deny+sums[i].Unknown+sums[i].Warn))
	}
	c.From, c.To, c.Step = minute(first)+" UTC", minute(last)+" UTC", plural(step, "hour")
	for i := range sums {
		sum := &sums[i]
		at := 1000 * i / n
		column := replayColumn{At: at, Width: max(1, 1000*(i+1)/n-at-1)}
		column.Text = fmt.Sprintf("%s: %d denied, %d unknown, %d warned", minute(first.Add(time.Duration(i*step)*time.Hour)), sum.Deny, sum.Unknown, sum.Warn)
		below := chartHeight
		for _, part := range []struct {
			class string
			n     int64
		}{{"denied", sum.Deny}, {"unknown", sum.Unknown}, {"warned", sum.Warn}} {
			if part.n > 0 {
				length := max(1, int(part.n)*chartHeight/c.Most)
				below -= length
				column.Parts = append(column.Parts, htmlPart{part.class, max(0, below), length})
			}
		}
		if len(column.Parts) > 0 {
			c.Columns = append(c.Columns, column)
		}
	}
	return c
}
