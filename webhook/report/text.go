package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// TextOptions of Text.
type TextOptions struct {
	// Verbose lists every object, with what is only recorded and what injections fill, and
	// what was skipped.
	Verbose bool
	// Colour is for terminals only.
	Colour bool
}

// Text writes the report for people: a denial in the words of the API server's answer,
// warnings as kubectl prints them, and a summary line. Errors are not part of it: see
// ErrorText.
func Text(w io.Writer, r *Report, o TextOptions) error { return whole(NewText(w, o), r) }

// NewText prints each object as it comes.
func NewText(w io.Writer, o TextOptions) Printer {
	return &textPrinter{w: w, options: o, palette: palette{on: o.Colour}}
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
		if s.Reason.Sort == manifest.Blank {
			continue
		}
		reason := Printable(decision.Redact(s.Reason.Reason))
		if _, err := fmt.Fprintf(p.w, "%s: %s\n\n", p.palette.bold(PrintablePath(s.Source.String())), reason); err != nil {
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

// objectText is empty where there is nothing to say. Every line ends in a line break.
func objectText(o *Object, options TextOptions, p palette) string {
	d, subject := o.Decision, o.Request.Subject()
	if !o.IsJudged() {
		if !options.Verbose {
			return ""
		}
		return p.bold(PrintablePath(o.Source.String())) + ": " + subject + " " + o.notJudgedText() + "\n"
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
	b.WriteString(p.bold(PrintablePath(o.Source.String())) + ": ")
	if denial := d.Denial(subject); denial != "" {
		headline, rest, _ := strings.Cut(denial, "\n")
		b.WriteString(p.red(headline) + "\n" + rest + "\n")
	} else {
		b.WriteString(subject + " " + outcome(d.Verdict == decision.VerdictUnknown && len(unknown) > 0, len(warnings)) + "\n")
	}
	for i := range unknown {
		b.WriteString("- " + unknown[i].Text() + "\n    unknown, because " + Printable(unknown[i].Unknown) + "\n")
	}
	if options.Verbose {
		// The details say in full what the warnings have no room for.
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

// split takes the findings apart that a fact is missing for. A server has all facts and
// says so in a warning if not; here the reason is what the reader can do something
// about, and must not be cut short.
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

// detailText is what only those read who ask for it: warnings in full, what is only
// recorded, and what injections fill in.
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

// ErrorText writes what was skipped, one line a sort, and the warnings and errors of a
// report, one line each.
func ErrorText(w io.Writer, t *Totals) error {
	var b strings.Builder
	for _, skipped := range t.skipped() {
		b.WriteString("note: " + skipped.Message + "\n")
	}
	if s := t.Summary; s.Objects+s.Errors == 0 && !s.IsEmpty() {
		b.WriteString("note: " + Nothing + "\n")
	}
	for _, p := range t.Warnings {
		b.WriteString("warning: " + PrintablePath(p.Source.String()) + ": " + Printable(p.Message) + "\n")
	}
	for _, p := range t.Errors {
		b.WriteString("error: " + PrintablePath(p.Source.String()) + ": " + Printable(p.Message) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
