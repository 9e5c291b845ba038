package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// TextOptions configures Text.
type TextOptions struct {
	// Verbose lists every object, including findings that are only recorded, injected values and
	// skipped documents.
	Verbose bool
	// Color enables colors. Use it only for terminals.
	Color bool
}

// Text writes the report for people: denials as in the API server's response, warnings as kubectl prints them,
// and a summary line. It does not include errors; see ErrorText.
func Text(w io.Writer, r *Report, o TextOptions) error { return whole(NewText(w, o), r) }

// NewText returns a Printer for Text. It prints each object as it arrives.
func NewText(w io.Writer, o TextOptions) Printer {
	return &textPrinter{w: w, options: o, palette: palette{on: o.Color}}
}

type textPrinter struct {
	w       io.Writer
	options TextOptions
	palette palette
	totals  Totals
}

func (p *textPrinter) Add(r *Report) error {
	p.totals.Add(r)
	for i := range r.Objects {
		text := objectText(&r.Objects[i], p.options, p.palette)
		if text == "" {
			continue
		}
		if _, err := io.WriteString(p.w, text+"\n"); err != nil {
			return err
		}
	}
	if p.options.Verbose {
		return p.skipped(r)
	}
	return nil
}

func (p *textPrinter) skipped(r *Report) error {
	for _, s := range r.Skipped {
		if s.Reason.Category == manifest.Blank {
			continue
		}
		reason := decision.Printable(decision.Redact(s.Reason.Reason))
		if _, err := fmt.Fprintf(p.w, "%s: %s\n\n", p.palette.bold(decision.PrintablePath(s.Source.String())), reason); err != nil {
			return err
		}
	}
	return nil
}

func (p *textPrinter) Close() error {
	text := p.totals.unselected.text()
	if text != "" {
		text += "\n"
	}
	_, err := io.WriteString(p.w, text+p.totals.summaryText()+"\n")
	return err
}

// objectText returns "" if there is nothing to report. Every line ends with a line break.
func objectText(o *Object, options TextOptions, p palette) string {
	d, subject := o.Decision, o.Request.Subject()
	if !o.IsJudged() {
		if !options.Verbose {
			return ""
		}
		return p.bold(decision.PrintablePath(o.Source.String())) + ": " + subject + " " + o.notJudgedText() + "\n"
	}
	known, unknown := split(d)
	warnings := append(known.Warnings(), d.FillWarnings()...)
	if !options.Verbose {
		unknown = slices.DeleteFunc(unknown, func(f decision.Finding) bool { return isUnselected(&f) })
		if len(warnings)+len(unknown) == 0 && d.Verdict != decision.VerdictDeny {
			return ""
		}
	}
	var b strings.Builder
	b.WriteString(p.bold(decision.PrintablePath(o.Source.String())) + ": ")
	if denial := d.Denial(subject); denial != "" {
		headline, rest, _ := strings.Cut(denial, "\n")
		b.WriteString(p.red(headline) + "\n" + rest + "\n")
	} else {
		b.WriteString(subject + " " + outcome(d.Verdict == decision.VerdictUnknown && len(unknown) > 0, len(warnings)) + "\n")
	}
	for i := range unknown {
		b.WriteString("- " + unknown[i].Text() + "\n    unknown, because " + decision.Printable(unknown[i].Unknown) + "\n")
	}
	if options.Verbose {
		// The details contain the full text of the warnings.
		warnings = d.FillWarnings()
	}
	for _, warning := range warnings {
		b.WriteString(p.yellow("Warning:") + " " + warning + "\n")
	}
	if options.Verbose {
		b.WriteString(detailText(o))
	}
	return b.String()
}

// split separates the findings that lack a fact. In a cluster all facts are known, so a missing
// one is a mere warning. Here the reader can supply the fact, so the reason must not be
// shortened.
func split(d *decision.Decision) (known decision.Decision, unknown []decision.Finding) {
	for _, f := range d.Findings {
		switch {
		case f.Unknown == "":
			known.Findings = append(known.Findings, f)
		case f.Warns():
			unknown = append(unknown, f)
		}
	}
	return known, unknown
}

func outcome(isUnknown bool, warnings int) string {
	switch {
	case isUnknown:
		return "cannot be decided in full:"
	case warnings == 1:
		return "is admitted with a warning:"
	case warnings > 1:
		return fmt.Sprintf("is admitted with %d warnings:", warnings)
	}
	return "is admitted"
}

// detailText returns the details of verbose output: the full text of warnings, findings that are
// only recorded, and injected values.
func detailText(o *Object) string {
	var b strings.Builder
	for i := range o.Decision.Findings {
		f := &o.Decision.Findings[i]
		if !f.Denies() && (f.Unknown == "" || !f.Warns()) {
			b.WriteString(f.Outcome() + ": " + f.Text() + "\n")
		}
	}
	filled := "filled: "
	if o.Request.Workload != nil && o.Request.Workload.Template {
		filled = "filled when its Pods are created: "
	}
	for _, line := range o.Decision.FillLines() {
		b.WriteString(filled + line + "\n")
	}
	return b.String()
}

// ErrorText writes the notes, the skipped documents, one line per category, and the warnings and errors of a
// report, one line each.
func ErrorText(w io.Writer, t *Totals) error {
	var b strings.Builder
	for _, note := range t.Notes {
		b.WriteString("note: " + decision.Printable(note) + "\n")
	}
	for _, skipped := range t.skipped() {
		b.WriteString("note: " + skipped.Message + "\n")
	}
	if s := t.Summary; s.Objects+s.Errors == 0 && !s.IsEmpty() {
		b.WriteString("note: " + NoObjects + "\n")
	}
	for _, p := range t.Warnings {
		b.WriteString("warning: " + p.text() + "\n")
	}
	for _, p := range t.Errors {
		b.WriteString("error: " + p.text() + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
