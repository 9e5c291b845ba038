package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/manifest/repository"
)

// GitHubOptions configures GitHub.
type GitHubOptions struct {
	// Verbose adds a notice for findings that are only recorded.
	Verbose bool
	// FailOn is the mildest verdict that fails the check. Annotations with this verdict or a more
	// severe one are errors.
	FailOn decision.Verdict
	// Repository finds the paths that annotations require. It may be nil.
	Repository *repository.Finder
}

// NewGitHub returns a Printer that writes workflow commands, which GitHub Actions displays next to the lines they refer to,
// and the summary line. A step displays at most 10 errors, 10 warnings and 10 notices, the first
// of each, so the report's errors come first and the rest is sorted by verdict and severity. The
// log contains all of them.
//
// It holds all commands until Close, to sort them.
func NewGitHub(w io.Writer, o GitHubOptions) Printer { return &githubPrinter{w: w, options: o} }

type githubPrinter struct {
	w        io.Writer
	options  GitHubOptions
	commands []githubCommand
	totals   Totals
}

// githubCommand is a command and its sort keys.
type githubCommand struct {
	level    githubLevel
	verdict  decision.Verdict
	severity decision.Severity
	text     string
}

type githubLevel int

const (
	githubError githubLevel = iota
	githubWarning
	githubNotice
)

func (p *githubPrinter) Add(r *Report) error {
	p.totals.Add(r)
	for i := range r.Objects {
		for _, a := range r.Objects[i].annotations() {
			level, isShown := p.level(&a)
			if isUnselected(a.finding) && level != githubError && !p.options.Verbose {
				continue // the summary reports it once
			}
			if isShown {
				p.commands = append(p.commands, githubCommand{level, a.verdict(), a.finding.Severity, p.text(level, &a)})
			}
		}
	}
	return nil
}

func (p *githubPrinter) level(a *annotation) (level githubLevel, isShown bool) {
	switch verdict := a.verdict(); {
	case verdict != decision.VerdictAllow && verdict >= p.options.FailOn:
		return githubError, true
	case a.isReported():
		return githubWarning, true
	}
	return githubNotice, p.options.Verbose
}

func (p *githubPrinter) Close() error {
	for _, problem := range problems(p.totals.Summary, p.totals.Errors) {
		text := command("error", p.file(problem.Source), position{Line: problem.Source.Line}, "cannot be decided", decision.Printable(problem.Message))
		if _, err := io.WriteString(p.w, text); err != nil {
			return err
		}
	}
	slices.SortStableFunc(p.commands, byCost)
	for _, c := range p.commands {
		if _, err := io.WriteString(p.w, c.text); err != nil {
			return err
		}
	}
	_, err := io.WriteString(p.w, p.end())
	return err
}

// end returns the text that is not about an object, and the summary line.
func (p *githubPrinter) end() string {
	var b strings.Builder
	for _, problem := range p.totals.Warnings {
		b.WriteString(command("warning", p.file(problem.Source), position{Line: problem.Source.Line}, "likely mistake", decision.Printable(problem.Message)))
	}
	if text := p.totals.unselected.text(); text != "" {
		b.WriteString(command("warning", "", position{}, "not decided in full", strings.TrimSuffix(text, "\n")))
	}
	for _, note := range p.totals.notes() {
		b.WriteString(command("notice", "", position{}, "not checked", note))
	}
	return b.String() + p.totals.summaryText() + "\n"
}

func byCost(a, b githubCommand) int {
	severities := []decision.Severity{decision.SeverityCritical, decision.SeverityHigh, decision.SeverityMedium, decision.SeverityLow, ""}
	return cmp.Or(cmp.Compare(a.level, b.level),
		cmp.Compare(b.verdict, a.verdict),
		cmp.Compare(slices.Index(severities, a.severity), slices.Index(severities, b.severity)))
}

func (p *githubPrinter) text(level githubLevel, a *annotation) string {
	name := [...]string{githubError: "error", githubWarning: "warning", githubNotice: "notice"}[level]
	message := a.sentence()
	if _, details, found := strings.Cut(a.finding.Text(), "\n"); found {
		message += "\n" + details
	}
	return command(name, p.file(a.object.Source), a.position(), a.finding.Policy, message)
}

// file returns "" if the source has no file.
func (p *githubPrinter) file(source manifest.Source) string {
	if source.File == "" {
		return ""
	}
	return artifact(p.options.Repository, source.File)
}

// command returns a workflow command, on one line.
func command(name, file string, at position, title, message string) string {
	var properties []string
	if file != "" {
		properties = append(properties, "file="+escapeProperty(decision.PrintablePath(file)))
	}
	if at.Line > 0 {
		properties = append(properties, fmt.Sprintf("line=%d", at.Line))
	}
	if at.Column > 0 {
		properties = append(properties, fmt.Sprintf("col=%d", at.Column))
	}
	properties = append(properties, "title="+escapeProperty(decision.Printable(title)))
	return "::" + name + " " + strings.Join(properties, ",") + "::" + escapeMessage(message) + "\n"
}

// escapeMessage escapes the characters that end a command or start an escape.
func escapeMessage(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

// escapeProperty additionally escapes the characters that end a property.
func escapeProperty(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(escapeMessage(text))
}
