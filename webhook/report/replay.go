package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
)

// ReplayOptions configures ReplayText.
type ReplayOptions struct {
	// Verbose lists every workload and every group.
	Verbose bool
	// CoverageOnly leaves out everything but what the log contains.
	CoverageOnly bool
	// Color enables colors. Use it only for terminals.
	Color bool
}

const (
	// shownWorkloads and shownGroups are how many are listed unless all are.
	shownWorkloads = 20
	shownGroups    = 10
	// shownProblems is how many problems and gaps of a log are listed.
	shownProblems = 5
)

// ReplayText writes the report of a replay for people.
func ReplayText(w io.Writer, r *replay.Report, o ReplayOptions) error {
	p := &replayText{report: r, options: o, palette: palette{on: o.Color}}
	p.log()
	p.coverage()
	if !o.CoverageOnly {
		p.counts()
		if r.Changes != nil {
			p.changes()
		} else {
			p.groups()
			p.workloads()
		}
	}
	_, err := io.WriteString(w, p.String())
	return err
}

type replayText struct {
	strings.Builder

	report  *replay.Report
	options ReplayOptions
	palette palette
}

func (p *replayText) line(format string, args ...any) { fmt.Fprintf(&p.Builder, format+"\n", args...) }

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// log describes what was read, and what could not be read.
func (p *replayText) log() {
	log := &p.report.Log
	p.line("%s with %s, of which %s completed, from %s to %s UTC", plural(log.Files, "file"), plural64(log.Events, "event"), plural64(log.Writes, "write"),
		minute(log.First), minute(log.Last))
	note := func(n int64, format string, args ...any) {
		if n > 0 {
			p.line("note: "+format, args...)
		}
	}
	for i, gap := range p.report.Gaps {
		if i == shownProblems {
			p.line("note: there are %d more gaps", len(p.report.Gaps)-i)
			break
		}
		p.line("note: no events from %s to %s UTC", minute(gap.From), minute(gap.To))
	}
	note(log.Truncated, "%s cut off because of the size of the event, without the object", isAre(log.Truncated, "write"))
	note(log.Duplicates, "%s in the log more than once, and counted once", isAre(log.Duplicates, "write"))
	note(log.OutOfOrder, "%s more than 5 minutes out of order, and may be compared with the wrong state", isAre(log.OutOfOrder, "write"))
	note(log.Other, "%s not audit events", isAre(log.Other, "text"))
	note(log.GKE, "%s in the format of Google Cloud, which contains no objects that can be decided", isAre(log.GKE, "entry"))
	note(int64(log.Damaged), "%s damaged or not complete, and not read to the end", isAre(int64(log.Damaged), "file"))
	note(p.report.Counts.Undone, "%s decided without values that Taffrail had filled in", isAre(p.report.Counts.Undone, "Pod"))
	note(p.report.Counts.NotUndone, "%s unknown because the values that Taffrail had filled in cannot be separated from others", isAre(p.report.Counts.NotUndone, "Pod"))
	note(p.report.Evicted, "%s forgotten for want of memory", isAre(p.report.Evicted, "object"))
	note(log.Broken, "%s could not be read:", plural64(log.Broken, "place"))
	for i, problem := range log.Problems {
		if i == shownProblems {
			break
		}
		p.line("  %s: %s", decision.PrintablePath(problem.Position.String()), decision.Printable(problem.Reason))
	}
	p.line("")
}

// coverage describes what the log has about each resource.
func (p *replayText) coverage() {
	p.table(func(t io.Writer) {
		fmt.Fprintln(t, "RESOURCE\tWRITES\tWITH OBJECT\tREQUEST ONLY\tNAME ONLY\tTRUNCATED\tCONCLUSION") //nolint:errcheck // a Builder takes everything
		for i := range p.report.Coverage.Resources {
			c := &p.report.Coverage.Resources[i]
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%s\n", decision.Printable(c.Resource), c.Writes, c.RequestResponse, c.Request, c.Metadata, c.Truncated, conclusion(c)) //nolint:errcheck // as above
		}
	})
	p.line("%s of other resources", plural64(p.report.Coverage.OtherWrites, "write"))
	p.line("")
}

// conclusion returns what can be said about the writes of a resource.
func conclusion(c *replay.ResourceCoverage) string {
	known := c.Detail()
	switch {
	case strings.HasSuffix(c.Resource, "/scale"):
		return "not decided"
	case c.Fact && known == replay.DetailNames && c.Mixed():
		return "known in part"
	case c.Fact && known == replay.DetailNames:
		return "not known"
	case c.Fact:
		return "known from the first write on"
	case !c.Covered:
		return "not covered by a policy"
	case known == replay.DetailObjects:
		return "decided"
	case known == replay.DetailRequests:
		return "decided, except for many patches"
	case c.Mixed():
		return "decided in part"
	}
	return "cannot be decided"
}

func (p *replayText) counts() {
	n := &p.report.Counts
	p.line("%s would be sent to Taffrail:", p.palette.bold(plural64(n.Sent, "write")))
	p.table(func(t io.Writer) {
		for _, row := range []struct {
			n    int64
			what string
		}{
			{n.Deny, "denied"}, {n.Unknown, "unknown"}, {n.Warn, "admitted with warnings"}, {n.Allow, "admitted"}, {n.Unbound, "to which no policy applies"},
		} {
			fmt.Fprintf(t, "  %d\t%s\n", row.n, row.what) //nolint:errcheck // a Builder takes everything
		}
	})
	for _, reason := range p.report.Reasons {
		p.line("  unknown: %s", decision.Printable(fmt.Sprintf("%d: %s", reason.Count, reason.Reason)))
	}
	if n.Filled > 0 {
		p.line("  new Pods with values filled in: %d", n.Filled)
	}
	if n.Refused > 0 {
		p.line("  refused by Taffrail, by a quota, or because the object exists: %d", n.Refused)
	}
	p.line("not sent: %d; dry runs: %d; refused before validation: %d", n.NotSent, n.DryRuns, n.Unreached)
	p.line("")
}

func (p *replayText) groups() {
	for _, by := range []struct {
		name   string
		groups []replay.Group
	}{{"POLICY", p.report.Policies}, {"NAMESPACE", p.report.Namespaces}, {"WRITER", p.report.Writers}, {"KIND", p.report.Kinds}} {
		if len(by.groups) == 0 {
			continue
		}
		p.table(func(t io.Writer) {
			fmt.Fprintf(t, "%s\tDENIED\tUNKNOWN\tWARNED\tFILLED\n", by.name) //nolint:errcheck // a Builder takes everything
			for i, g := range by.groups {
				if i == shownGroups && !p.options.Verbose {
					fmt.Fprintf(t, "(%d more)\n", len(by.groups)-i) //nolint:errcheck // as above
					break
				}
				fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\n", decision.Printable(g.Name), g.Deny, g.Unknown, g.Warn, g.Filled) //nolint:errcheck // as above
			}
		})
		p.line("")
	}
}

func (p *replayText) workloads() {
	listed := 0
	for i := range p.report.Workloads {
		w := &p.report.Workloads[i]
		if !p.options.Verbose && (listed == shownWorkloads || w.Verdict == decision.VerdictWarn) {
			p.line("%s not listed: use --verbose", isAre(int64(len(p.report.Workloads)-i), "more workload"))
			break
		}
		listed++
		p.line("%s", p.workload(w, outcomeOf(w.Verdict)))
		p.findings("- ", w.Findings)
		p.line("")
	}
	if n := p.report.MoreWorkloads; n > 0 {
		p.line("%s of further workloads", plural64(n, "write"))
	}
}

func outcomeOf(v decision.Verdict) string {
	switch v {
	case decision.VerdictDeny:
		return "would be denied"
	case decision.VerdictUnknown:
		return "cannot be decided in full"
	case decision.VerdictWarn:
		return "would be admitted with warnings"
	case decision.VerdictAllow:
	}
	return "would be admitted"
}

// workload returns the headline of a workload.
func (p *replayText) workload(w *replay.Workload, outcome string) string {
	text := decision.Subject(w.Kind, w.Namespace, w.Name) + " " + outcome
	if w.Verdict == decision.VerdictDeny {
		text = p.palette.red(text)
	}
	when := "on " + minute(w.First) + " UTC"
	if w.Count > 1 {
		when = fmt.Sprintf("%d times, from %s to %s UTC", w.Count, minute(w.First), minute(w.Last))
	}
	text += ": " + when + ", written by " + decision.Printable(strings.Join(w.Writers, ", "))
	if w.Operator != "" {
		text += " for a " + decision.Printable(w.Operator)
	}
	return text
}

func (p *replayText) findings(mark string, all []replay.Finding) {
	for i := range all {
		f := &all[i]
		p.line("%s%s", mark, f.Text)
		switch {
		case f.Unknown != "":
			p.line("    unknown, because %s", decision.Printable(f.Unknown))
		case f.Outcome != "denied":
			p.line("    %s under mode %s", f.Outcome, f.Mode)
		}
	}
}

// changes describes what a second configuration changes.
func (p *replayText) changes() {
	c := p.report.Changes
	p.line("The second configuration changes the outcome of:")
	p.table(func(t io.Writer) {
		for _, row := range []struct {
			n    int64
			what replay.ChangeKind
		}{{c.NewlyDenied, replay.NewlyDenied}, {c.Uncertain, replay.Uncertain}, {c.NoLongerDenied, replay.NoLongerDenied}, {c.OtherMode, replay.OtherMode}, {c.OtherPatch, replay.OtherPatch}} {
			fmt.Fprintf(t, "  %d\t%s\n", row.n, row.what) //nolint:errcheck // a Builder takes everything
		}
	})
	if c.Errors > 0 {
		p.line("  uncertain because of an error: %d", c.Errors)
	}
	p.line("")
	for i := range c.Workloads {
		one := &c.Workloads[i]
		if i == shownWorkloads && !p.options.Verbose {
			p.line("%s not listed: use --verbose", isAre(int64(len(c.Workloads)-i), "more workload"))
			break
		}
		p.line("%s", p.workload(&one.Workload, changeText(one.What)))
		p.findings("+ ", one.Findings)
		p.findings("- ", one.Removed)
		p.line("")
	}
	if c.MoreWorkloads > 0 {
		p.line("%s of further workloads", plural64(c.MoreWorkloads, "write"))
	}
}

func changeText(what replay.ChangeKind) string {
	switch what {
	case replay.NewlyDenied:
		return "would be newly denied"
	case replay.Uncertain:
		return "may be denied under one configuration only"
	case replay.NoLongerDenied:
		return "would no longer be denied"
	case replay.OtherMode:
		return "has other findings or modes"
	case replay.OtherPatch:
	}
	return "would be patched differently"
}

func (p *replayText) table(rows func(io.Writer)) {
	t := tabwriter.NewWriter(p, 0, 0, 2, ' ', 0)
	rows(t)
	t.Flush() //nolint:errcheck // a Builder takes everything
}

func plural64(n int64, noun string) string { return plural(int(n), noun) }

// isAre returns a count with its verb, as in "1 write is" and "2 writes are".
func isAre(n int64, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun + " is"
	case strings.HasSuffix(noun, "y"):
		noun = strings.TrimSuffix(noun, "y") + "ie"
	}
	return fmt.Sprintf("%d %ss are", n, noun)
}

// ReplayJSON writes the report of a replay for programs. Fields may be added, but never renamed or removed.
func ReplayJSON(w io.Writer, r *replay.Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
