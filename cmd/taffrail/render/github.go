package render

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"taffrail.dev/webhook/review"
)

// GitHubOptions of GitHub.
type GitHubOptions struct {
	// Verbose adds a notice for what is only recorded.
	Verbose bool
	// FailOn is the mildest verdict that fails the check: from it on remarks are errors.
	FailOn review.Verdict
}

// GitHub writes workflow commands, which GitHub Actions shows beside the lines they are
// about, and the summary line. A step shows no more than 10 errors, 10 warnings and 10
// notices, the first of each; so the report's errors come first, then what costs most.
// The rest is in the log.
func GitHub(w io.Writer, r *Report, o GitHubOptions) error {
	var b strings.Builder
	for _, p := range r.problems() {
		b.WriteString(command("error", p.Source.File, position{Line: p.Source.Line}, "cannot be decided", Printable(p.Message)))
	}
	for _, c := range commands(r, o) {
		b.WriteString(c.text())
	}
	for _, p := range r.Warnings {
		b.WriteString(command("warning", p.Source.File, position{Line: p.Source.Line}, "has no effect", Printable(p.Message)))
	}
	for _, note := range r.notes() {
		b.WriteString(command("notice", "", position{}, "not judged", note))
	}
	b.WriteString(r.summaryText() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

type githubCommand struct {
	level githubLevel
	remark
}

type githubLevel int

const (
	githubError githubLevel = iota
	githubWarning
	githubNotice
)

// commands are sorted by what they cost, and are in the order of the input otherwise.
func commands(r *Report, o GitHubOptions) []githubCommand {
	var all []githubCommand
	for i := range r.Objects {
		for _, m := range r.Objects[i].remarks() {
			c := githubCommand{level: githubNotice, remark: m}
			switch verdict := m.verdict(); {
			case verdict != review.VerdictAllow && Fails(verdict, o.FailOn):
				c.level = githubError
			case m.told():
				c.level = githubWarning
			case !o.Verbose:
				continue
			}
			all = append(all, c)
		}
	}
	verdicts := []review.Verdict{review.VerdictDeny, review.VerdictUnknown, review.VerdictWarn, review.VerdictAllow}
	severities := []review.Severity{review.SeverityCritical, review.SeverityHigh, review.SeverityMedium, review.SeverityLow, ""}
	slices.SortStableFunc(all, func(a, b githubCommand) int {
		return cmp.Or(cmp.Compare(a.level, b.level),
			cmp.Compare(slices.Index(verdicts, a.verdict()), slices.Index(verdicts, b.verdict())),
			cmp.Compare(slices.Index(severities, a.finding.Severity), slices.Index(severities, b.finding.Severity)))
	})
	return all
}

func (c *githubCommand) text() string {
	name := [...]string{githubError: "error", githubWarning: "warning", githubNotice: "notice"}[c.level]
	message := c.sentence()
	if _, details, found := strings.Cut(c.finding.Words(), "\n"); found {
		message += "\n" + details
	}
	return command(name, c.object.Source.File, c.position(), c.finding.Policy, message)
}

// command is one workflow command, on one line.
func command(name, file string, at position, title, message string) string {
	var properties []string
	if file != "" {
		properties = append(properties, "file="+escapeProperty(PrintablePath(artifact(file))))
	}
	if at.Line > 0 {
		properties = append(properties, fmt.Sprintf("line=%d", at.Line))
	}
	if at.Column > 0 {
		properties = append(properties, fmt.Sprintf("col=%d", at.Column))
	}
	properties = append(properties, "title="+escapeProperty(Printable(title)))
	return "::" + name + " " + strings.Join(properties, ",") + "::" + escapeMessage(message) + "\n"
}

// escapeMessage escapes what ends a command, or starts an escape.
func escapeMessage(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

// escapeProperty escapes also what ends a property.
func escapeProperty(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(escapeMessage(text))
}
