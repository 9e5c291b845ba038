package regotest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// Report is the result of taffrail test. Its JSON form is stable, for use by programs.
type Report struct {
	Groups []Group `json:"policies"`
	// Errors lists what could not be read or tested.
	Errors []string `json:"errors,omitempty"`
}

// Group holds the results of one policy, or of a folder whose tests belong to no policy.
type Group struct {
	// Name ends in a slash if the group is a folder.
	Name     string         `json:"name"`
	Tests    Count          `json:"tests"`
	Cases    Count          `json:"cases"`
	Failed   []Failure      `json:"failed,omitempty"`
	Coverage []FileCoverage `json:"coverage,omitempty"`
	// Kinds has notes about the kinds that METADATA names or omits.
	Kinds []string `json:"kinds,omitempty"`
	// Facts has notes about the facts that METADATA omits.
	Facts []string `json:"facts,omitempty"`
	// Deprecations lists what the next version of Taffrail rejects.
	Deprecations []string `json:"deprecations,omitempty"`
	// Usage has the work of a user's policy for each file of cases.
	Usage []FileUsage `json:"usage,omitempty"`
	// NotCompiled is why the policy is evaluated by topdown, and empty if it is compiled.
	NotCompiled string `json:"notCompiled,omitempty"`
}

// Count counts tests or cases.
type Count struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped,omitempty"`
}

// Failure describes one test or case that failed.
type Failure struct {
	Name string `json:"name"`
	File string `json:"file"`
	Line int    `json:"line"`
	// Case distinguishes a case from a Rego test.
	Case   bool   `json:"case,omitempty"`
	Reason string `json:"reason"`
	Want   string `json:"want,omitempty"`
	Got    string `json:"got,omitempty"`
	Left   string `json:"left,omitempty"`
	Right  string `json:"right,omitempty"`
	Output string `json:"output,omitempty"`
}

// FileUsage reports the most that a case of a file has used, of steps and of bytes, and the budget of the policy.
type FileUsage struct {
	File   string `json:"file"`
	Used   Work   `json:"used"`
	Budget Work   `json:"budget"`
}

// Work is what a rego.Budget counts.
type Work struct {
	Steps int64 `json:"steps"`
	Bytes int64 `json:"bytes"`
}

// FileCoverage reports how much of one file was evaluated.
type FileCoverage struct {
	File    string  `json:"file"`
	Percent float64 `json:"percent"`
	// Missing lists lines that were not evaluated, as 7 or 7-9.
	Missing []string `json:"missing,omitempty"`
}

func (r *Report) group(name string) *Group {
	for i := range r.Groups {
		if r.Groups[i].Name == name {
			return &r.Groups[i]
		}
	}
	r.Groups = append(r.Groups, Group{Name: name})
	return &r.Groups[len(r.Groups)-1]
}

// fail reports errors about what could not be tested.
func (r *Report) fail(places map[string]place, errs ...error) {
	for _, err := range errs {
		if err != nil {
			r.Errors = append(r.Errors, decision.Redact(inFiles(err.Error(), places)))
		}
	}
}

var userPlace = regexp.MustCompile(regexp.QuoteMeta(rego.UserFile) + `[a-z0-9-]+(:[0-9]+)?`)

// inFiles replaces the names of modules in a text with the files that contain them.
func inFiles(text string, places map[string]place) string {
	return userPlace.ReplaceAllStringFunc(text, func(name string) string {
		name, row, found := strings.Cut(name, ":")
		at, ok := places[name]
		if !ok {
			return name
		}
		if line, err := strconv.Atoi(row); found && err == nil {
			return fmt.Sprintf("%s:%d", at.file, at.before+line)
		}
		return at.file
	})
}

func (r *Report) addTest(group string, places map[string]place, result rego.TestResult) {
	g := r.group(group)
	switch {
	case result.Skipped:
		g.Tests.Skipped++
		return
	case result.Failure == nil:
		g.Tests.Passed++
		return
	}
	g.Tests.Failed++
	failed := Failure{Name: result.Name, File: places[result.File].file, Line: cmp.Or(result.Failure.Row, result.Row), Reason: "does not hold", Output: result.Output}
	failed.Left, failed.Right = result.Failure.Left, result.Failure.Right
	if result.Failure.Err != nil {
		failed.Reason = inFiles(result.Failure.Err.Error(), places)
	}
	g.fail(failed)
}

func (r *Report) addCase(group string, places map[string]place, c *Case, failure *FailureError) {
	g := r.group(group)
	if failure == nil {
		g.Cases.Passed++
		return
	}
	g.Cases.Failed++
	g.fail(Failure{
		Name: c.Name, File: c.File, Line: c.Line, Case: true, Reason: inFiles(failure.Reason, places), Want: failure.Want, Got: failure.Got,
	})
}

func (r *Report) addUsage(group string, used map[string]rego.Usage, budget rego.Budget) {
	g := r.group(group)
	for _, file := range slices.Sorted(maps.Keys(used)) {
		g.Usage = append(g.Usage, FileUsage{File: file, Used: Work(used[file]), Budget: Work(budget)})
	}
}

// fail adds a failure, redacted: test objects may hold credentials.
func (g *Group) fail(f Failure) {
	for _, text := range []*string{&f.Name, &f.Reason, &f.Want, &f.Got, &f.Left, &f.Right, &f.Output} {
		*text = decision.Redact(*text)
	}
	g.Failed = append(g.Failed, f)
}

// addCoverage omits files of which nothing was meant to be tested.
func (r *Report) addCoverage(group string, places map[string]place, file rego.FileCoverage) {
	at, ok := places[file.File]
	if !ok || !slices.ContainsFunc(r.Groups, func(g Group) bool { return g.Name == group }) {
		return
	}
	c := FileCoverage{File: at.file, Percent: file.Percent}
	for _, missing := range file.Missing {
		lines := strconv.Itoa(at.before + missing[0])
		if missing[1] > missing[0] {
			lines += "-" + strconv.Itoa(at.before+missing[1])
		}
		c.Missing = append(c.Missing, lines)
	}
	g := r.group(group)
	g.Coverage = append(g.Coverage, c)
}

func (r *Report) sort() {
	slices.SortFunc(r.Groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
}

// Empty reports whether there was nothing to test.
func (r *Report) Empty() bool {
	for _, g := range r.Groups {
		if g.total() > 0 {
			return false
		}
	}
	return true
}

func (g *Group) total() int {
	return g.Tests.Passed + g.Tests.Failed + g.Tests.Skipped + g.Cases.Passed + g.Cases.Failed
}

// Failed reports whether any test or case failed.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Groups, func(g Group) bool { return len(g.Failed) > 0 })
}

// WriteJSON writes the report as JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// WriteText writes the report as text to out, and what could not be tested to errs.
func (r *Report) WriteText(out, errs io.Writer, coverage bool) error {
	var b strings.Builder
	for i := range r.Groups {
		r.Groups[i].text(&b, coverage)
	}
	b.WriteString(r.summary())
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

// summary counts policies, and therefore leaves out folders whose tests belong to none.
func (r *Report) summary() string {
	policies, failed, untested := 0, 0, 0
	for i := range r.Groups {
		g := &r.Groups[i]
		switch {
		case strings.HasSuffix(g.Name, "/"):
			continue
		case g.total() == 0:
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

func (g *Group) text(b *strings.Builder, coverage bool) {
	word := "ok  "
	switch {
	case len(g.Failed) > 0:
		word = "FAIL"
	case g.total() == 0:
		word = "none"
	}
	fmt.Fprintf(b, "%s  %s: %s, %s\n", word, decision.Printable(g.Name), g.Tests.words("test"), g.Cases.words("case"))
	for i := range g.Failed {
		g.Failed[i].text(b)
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

func (c Count) words(noun string) string {
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

func (f *Failure) text(b *strings.Builder) {
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
		indent(b, changes(f.Want, f.Got))
	}
	if f.Output != "" {
		b.WriteString("        printed:\n")
		indent(b, f.Output)
	}
}

// changes returns the lines of a diff, with a space after the sign: a YAML line may itself begin with a sign.
func changes(want, got string) string {
	_, hunks, _ := strings.Cut(string(diff.Diff("", []byte(want), "", []byte(got))), "@@\n")
	var b strings.Builder
	for line := range strings.Lines(hunks) {
		b.WriteString(line[:1] + " " + line[1:])
	}
	return b.String()
}

func indent(b *strings.Builder, text string) {
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
