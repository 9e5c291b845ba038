package report

import (
	"encoding/xml"
	"io"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest/repository"
)

// junitReport is the root element. JUnit XML has no standard: the types below are the subset that
// Jenkins, GitLab, CircleCI and Azure DevOps share, plus file and line, which other readers ignore.
type junitReport struct {
	XMLName xml.Name `xml:"testsuites"`
	junitCounts
	Suites []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	junitCounts
	Cases []junitCase `xml:"testcase"`
}

type junitCounts struct {
	Name     string `xml:"name,attr"`
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"`
}

// junitCase has at most one of Failure, Error and Skipped: readers show only the first.
type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr,omitempty"`
	Line    int           `xml:"line,attr,omitempty"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Skipped *junitProblem `xml:"skipped"`
	Out     *junitText    `xml:"system-out"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	junitText
}

// junitText is written as CDATA to keep it readable in the file. CDATA has no escapes, so it must
// not contain characters that XML forbids.
type junitText struct {
	Text string `xml:",cdata"`
}

// NewJUnit returns a Printer that writes a test suite per file with a test case per object, and a test case per error of
// the report. A case fails if it makes the exit code 1, and has an error if it makes it 2, and
// only then: CI systems treat both as a broken build. An object that cannot be decided in full
// has an error or, if failOn tolerates it, is skipped, as is an object to which no policy
// applies. Other findings of an object are its output.
//
// It holds all test cases until Close, because the counts precede them. repo may be nil.
func NewJUnit(w io.Writer, failOn decision.Verdict, repo *repository.Finder) Printer {
	report := junitReport{junitCounts: junitCounts{Name: "taffrail check"}}
	return &junitPrinter{w: w, failOn: failOn, repo: repo, report: report, suites: map[string]int{}}
}

type junitPrinter struct {
	w      io.Writer
	failOn decision.Verdict
	repo   *repository.Finder
	report junitReport
	suites map[string]int // the index of a suite by name
	totals Totals
}

func (p *junitPrinter) Add(r *Report) error {
	p.totals.Add(r)
	for i := range r.Objects {
		o := &r.Objects[i]
		p.addTo(p.suite(o), o.Source.File, junitObject(o, p.failOn))
	}
	return nil
}

func (p *junitPrinter) Close() error {
	for _, problem := range problems(p.totals.Summary, p.totals.Errors) {
		p.add(problem.Source.File, junitError(&problem))
	}
	for _, problem := range p.totals.Warnings {
		p.add(problem.Source.File, junitWarning(&problem))
	}
	for _, skipped := range p.totals.skipped() {
		p.add("", junitCase{Name: skipped.What.Plural(), Class: "input", Skipped: &junitProblem{Message: skipped.Message, Type: "not checked"}})
	}
	if p.totals.Summary.isLive {
		p.report.Name = "taffrail audit"
	}
	if _, err := io.WriteString(p.w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(p.w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(p.report); err != nil {
		return err
	}
	_, err := io.WriteString(p.w, "\n")
	return err
}

// suite returns the name of an object's suite: its file or, if it was read from a cluster, the cluster with the
// namespace.
func (p *junitPrinter) suite(o *Object) string {
	switch {
	case o.Cluster != "" && o.Request.Namespace.Name != "":
		return decision.Printable(o.Cluster + "/" + o.Request.Namespace.Name)
	case o.Cluster != "":
		return decision.Printable(o.Cluster)
	}
	return p.fileSuite(o.Source.File)
}

// fileSuite returns the name of the suite of a file.
func (p *junitPrinter) fileSuite(file string) string {
	if file == "" {
		return "input"
	}
	return decision.PrintablePath(artifact(p.repo, file))
}

func (p *junitPrinter) add(file string, c junitCase) { p.addTo(p.fileSuite(file), file, c) }

func (p *junitPrinter) addTo(name, file string, c junitCase) {
	if file != "" {
		c.File = p.fileSuite(file)
	}
	at, found := p.suites[name]
	if !found {
		at = len(p.report.Suites)
		p.suites[name] = at
		p.report.Suites = append(p.report.Suites, junitSuite{junitCounts: junitCounts{Name: name}})
	}
	suite := &p.report.Suites[at]
	suite.Cases = append(suite.Cases, c)
	p.report.count(&c)
	suite.count(&c)
}

func (n *junitCounts) count(c *junitCase) {
	n.Tests++
	switch {
	case c.Failure != nil:
		n.Failures++
	case c.Error != nil:
		n.Errors++
	case c.Skipped != nil:
		n.Skipped++
	}
}

func junitObject(o *Object, failOn decision.Verdict) junitCase {
	d := o.Decision
	failing, rest := []string{}, []string{}
	warnings := 0
	for _, a := range o.annotations() {
		verdict := a.verdict()
		switch {
		case verdict != decision.VerdictAllow && verdict >= failOn, verdict == decision.VerdictUnknown:
			failing = append(failing, a.text())
		case a.isReported():
			rest = append(rest, a.text())
		}
		if a.isReported() {
			warnings++
		}
	}
	problem := &junitProblem{
		Message:   strings.TrimSuffix(o.Request.Subject()+" "+outcome(d.Verdict == decision.VerdictUnknown, warnings), ":"),
		Type:      d.Verdict.String(),
		junitText: junitText{strings.Join(failing, "\n")},
	}
	if denial := d.Denial(o.Request.Subject()); denial != "" {
		headline, _, _ := strings.Cut(denial, "\n")
		problem.Message = strings.TrimSuffix(headline, ":")
	}
	// Subject substitutes a text for an empty name; readers require one.
	name := decision.Subject("", "", o.Request.DisplayName())
	c := junitCase{Name: name, Class: decision.Printable(o.Request.Kind.Kind), Line: o.Source.Line}
	if namespace := o.Request.Namespace.Name; namespace != "" {
		c.Class += "/" + decision.Printable(namespace)
	}
	switch {
	case !o.IsJudged():
		c.Skipped = &junitProblem{Message: o.Request.Subject() + " " + o.notJudgedText(), Type: "not checked"}
	case d.Verdict == decision.VerdictUnknown && d.Verdict >= failOn:
		c.Error = problem
	case d.Verdict == decision.VerdictUnknown:
		c.Skipped = problem
	case d.Verdict != decision.VerdictAllow && d.Verdict >= failOn:
		c.Failure = problem
	}
	if len(rest) > 0 {
		c.Out = &junitText{strings.Join(rest, "\n")}
	}
	return c
}

// junitWarning returns a passing case for a field without effect.
func junitWarning(p *Problem) junitCase {
	c := junitError(p)
	c.Error, c.Out = nil, &junitText{"warning: " + c.Error.Text}
	return c
}

func junitError(p *Problem) junitCase {
	message := decision.Printable(p.Message)
	text := message
	if p.Source.File != "" {
		text = decision.PrintablePath(p.Source.String()) + ": " + message
	}
	return junitCase{
		// A line may have two errors, and readers merge cases of the same name.
		Name:  text,
		Class: "input",
		Line:  p.Source.Line,
		Error: &junitProblem{Message: message, Type: "input", junitText: junitText{text}},
	}
}
