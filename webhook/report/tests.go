package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/regotest"
)

// PolicyTestText writes the results of policies' tests to out, and what could not be tested to errs.
func PolicyTestText(out, errs io.Writer, r *regotest.Report, coverage bool) error {
	var b strings.Builder
	for i := range r.Groups {
		testedGroup(&b, &r.Groups[i], coverage)
	}
	b.WriteString(testSummary(r))
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	for _, problem := range r.Errors {
		if _, err := fmt.Fprintln(errs, "error:", printableLines(problem)); err != nil {
			return err
		}
	}
	return nil
}

// testSummary counts policies, and therefore leaves out folders whose tests belong to none.
func testSummary(r *regotest.Report) string {
	policies, failed, untested := 0, 0, 0
	for i := range r.Groups {
		g := &r.Groups[i]
		switch {
		case strings.HasSuffix(g.Name, "/"):
			continue
		case g.Total() == 0:
			untested++
		case len(g.Failed) > 0:
			failed++
		}
		policies++
	}
	if len(r.Groups) == 0 {
		return ""
	}
	text := fmt.Sprintf("\n%d policies: ", policies)
	if policies == 1 {
		text = "\n1 policy: "
	}
	text += fmt.Sprintf("%d passed, %d failed", policies-failed-untested, failed)
	if untested > 0 {
		text += fmt.Sprintf(", %d without a test", untested)
	}
	return text + "\n"
}

func testedGroup(b *strings.Builder, g *regotest.Group, coverage bool) {
	word := "ok  "
	switch {
	case len(g.Failed) > 0:
		word = "FAIL"
	case g.Total() == 0:
		word = "none"
	}
	fmt.Fprintf(b, "%s  %s: %s, %s\n", word, decision.Printable(g.Name), testCount(g.Tests, "test"), testCount(g.Cases, "case"))
	for i := range g.Failed {
		testFailure(b, &g.Failed[i])
	}
	for _, note := range g.Kinds {
		fmt.Fprintf(b, "      kinds: %s\n", decision.Printable(note))
	}
	for _, note := range g.Facts {
		fmt.Fprintf(b, "      facts: %s\n", decision.Printable(note))
	}
	for _, deprecation := range g.Deprecations {
		fmt.Fprintf(b, "      deprecated: %s\n", decision.Printable(deprecation))
	}
	for _, u := range g.Usage {
		fmt.Fprintf(b, "      %s: %s\n", decision.PrintablePath(u.File), rego.UsageText(rego.Usage(u.Used), rego.Budget(u.Budget)))
	}
	if g.NotCompiled != "" {
		fmt.Fprintf(b, "      engine: topdown, because it cannot be compiled: %s\n", decision.Printable(g.NotCompiled))
	}
	if !coverage {
		return
	}
	for _, c := range g.Coverage {
		fmt.Fprintf(b, "      %s: %.0f%% covered", decision.PrintablePath(c.File), c.Percent)
		if len(c.Missing) > 0 {
			fmt.Fprintf(b, "; not evaluated: %s", strings.Join(c.Missing, ", "))
		}
		b.WriteString("\n")
	}
}

func testCount(c regotest.Count, noun string) string {
	total := c.Passed + c.Failed + c.Skipped
	if total != 1 {
		noun += "s"
	}
	var notes []string
	if c.Failed > 0 {
		notes = append(notes, fmt.Sprintf("%d failed", c.Failed))
	}
	if c.Skipped > 0 {
		notes = append(notes, fmt.Sprintf("%d skipped", c.Skipped))
	}
	text := fmt.Sprintf("%d %s", total, noun)
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	return text
}

func testFailure(b *strings.Builder, f *regotest.Failure) {
	name := f.Name
	if f.Case {
		name = fmt.Sprintf("case %q", f.Name)
	}
	fmt.Fprintf(b, "      %s:%d: %s: %s\n", decision.PrintablePath(f.File), f.Line, decision.Printable(name), printableLines(f.Reason))
	if f.Left != "" {
		fmt.Fprintf(b, "        left:  %s\n        right: %s\n", decision.Printable(f.Left), decision.Printable(f.Right))
	}
	if f.Want != f.Got {
		b.WriteString("        - expected, + actual\n")
		indentLines(b, testChanges(f.Want, f.Got))
	}
	if f.Output != "" {
		b.WriteString("        printed:\n")
		indentLines(b, f.Output)
	}
}

// testChanges returns the lines of a diff, with a space after the sign: a YAML line may itself begin with a sign.
func testChanges(want, got string) string {
	_, hunks, _ := strings.Cut(string(diff.Diff("", []byte(want), "", []byte(got))), "@@\n")
	var b strings.Builder
	for line := range strings.Lines(hunks) {
		b.WriteString(line[:1] + " " + line[1:])
	}
	return b.String()
}

func indentLines(b *strings.Builder, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(b, "        %s\n", printableLines(strings.TrimRight(line, "\n")))
	}
}

// printableLines is decision.Printable for text of several lines. It keeps indentation.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = decision.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}
