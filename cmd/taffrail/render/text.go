package render

import (
	"fmt"
	"io"
	"strings"

	"taffrail.dev/webhook/review"
)

// TextOptions of Text.
type TextOptions struct {
	// Verbose lists every object, with what is only recorded and what injections fill.
	Verbose bool
	// Colour is for terminals only.
	Colour bool
}

// Text writes the report for people: a denial in the words of the API server's answer,
// warnings as kubectl prints them, and a summary line. Errors are not part of it: see
// ErrorText.
func Text(w io.Writer, r *Report, o TextOptions) error {
	var b strings.Builder
	p := palette{on: o.Colour}
	for i := range r.Objects {
		if text := objectText(&r.Objects[i], o, p); text != "" {
			b.WriteString(text)
			b.WriteByte('\n')
		}
	}
	b.WriteString(r.summaryText() + "\n")
	_, err := io.WriteString(w, b.String())
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
	if len(warnings)+len(unknown) == 0 && d.Verdict == review.VerdictAllow && !options.Verbose {
		return ""
	}
	var b strings.Builder
	b.WriteString(p.bold(PrintablePath(o.Source.String())) + ": ")
	if denial := d.Denial(subject); denial != "" {
		headline, rest, _ := strings.Cut(denial, "\n")
		b.WriteString(p.red(headline) + "\n" + rest + "\n")
	} else {
		b.WriteString(subject + " " + outcome(d, len(warnings)) + "\n")
	}
	for i := range unknown {
		b.WriteString("- " + unknown[i].Words() + "\n    unknown, because " + Printable(unknown[i].Unknown) + "\n")
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
func split(d *review.Decision) (known review.Decision, unknown []review.Finding) {
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

func outcome(d *review.Decision, warnings int) string {
	switch {
	case d.Verdict == review.VerdictUnknown:
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
			b.WriteString(f.Outcome() + ": " + f.Words() + "\n")
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

func (r *Report) summaryText() string {
	s := r.Summary()
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
	add(s.NotJudged, "not judged ("+r.notJudgedKinds()+")")
	text := plural(s.Objects, "object")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if s.Errors > 0 {
		text += "; " + plural(s.Errors, "error")
	}
	return text
}

// notJudgedKinds lists the kinds that are not judged, as in 5 Rollout, 4 Application.
func (r *Report) notJudgedKinds() string {
	const most = 8
	var parts []string
	counts := r.NotJudged()
	for i, c := range counts {
		if i == most {
			parts = append(parts, plural(len(counts)-most, "more kind"))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s", c.Count, Printable(review.RedactValue(c.Kind))))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// ErrorText writes what was skipped, one line a sort, and the report's warnings and errors,
// one line each.
func ErrorText(w io.Writer, r *Report) error {
	for _, skipped := range r.SkippedBySort() {
		if _, err := fmt.Fprintf(w, "note: %s\n", skipped.Message); err != nil {
			return err
		}
	}
	if len(r.Objects)+len(r.Errors) == 0 && !r.IsEmpty() {
		if _, err := fmt.Fprintln(w, "note: "+Nothing); err != nil {
			return err
		}
	}
	for _, problem := range r.Warnings {
		if _, err := fmt.Fprintf(w, "warning: %s: %s\n", PrintablePath(problem.Source.String()), Printable(problem.Message)); err != nil {
			return err
		}
	}
	for _, problem := range r.Errors {
		if _, err := fmt.Fprintf(w, "error: %s: %s\n", PrintablePath(problem.Source.String()), Printable(problem.Message)); err != nil {
			return err
		}
	}
	return nil
}
