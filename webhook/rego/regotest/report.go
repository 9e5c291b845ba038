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
		if g.Total() > 0 {
			return false
		}
	}
	return true
}

// Total returns the number of tests and cases.
func (g *Group) Total() int {
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
