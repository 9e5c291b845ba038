package report

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest/repository"
	"taffrail.dev/webhook/rego"
)

const (
	sarifSchema  = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	sarifVersion = "2.1.0"
	// sourceRoot is the name by which SARIF's readers know the folder of the check.
	sourceRoot = "%SRCROOT%"
	// fingerprint names what the hash is made of: another mixture needs another name.
	// GitHub computes one of its own, and warns about every result that brings it.
	fingerprint = "taffrailFinding/v1"
)

// SARIFOptions of SARIF.
type SARIFOptions struct {
	// Version of the program, empty where it does not know.
	Version string
	// Policies are the catalogue. Of it only those become rules that have a result: which
	// others were asked hangs on the Guardrails.
	Policies []*rego.Policy
	// Repository finds the paths that code scanning needs; nil where there is none.
	Repository *repository.Finder
}

// NewSARIF returns a Printer for the Static Analysis Results Interchange Format 2.1.0, for
// GitHub's code scanning and its like. A check that did not decide everything is no
// successful execution: whoever compares it with an earlier one must not take what is
// missing for mended.
//
// It holds the results until Close: the rules that they are about come before them.
func NewSARIF(w io.Writer, o SARIFOptions) Printer {
	rules := &sarifRules{policies: o.Policies, indices: map[string]int{}, list: []sarifRule{}}
	return &sarifPrinter{w: w, options: o, rules: rules, results: []sarifResult{}}
}

type sarifPrinter struct {
	w       io.Writer
	options SARIFOptions
	rules   *sarifRules
	results []sarifResult
	totals  Totals
}

func (p *sarifPrinter) Add(r *Report) error {
	p.totals.Add(r)
	for i := range r.Objects {
		for _, m := range r.Objects[i].annotations() {
			p.results = append(p.results, p.result(&m))
		}
	}
	return nil
}

func (p *sarifPrinter) Close() error {
	problems := problems(p.totals.Summary, p.totals.Errors)
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: "Taffrail", Version: p.options.Version, SemanticVersion: strings.TrimPrefix(p.options.Version, "v"), Rules: p.rules.list,
		}},
		Invocations: []sarifInvocation{{
			ExecutionSuccessful: len(problems) == 0,
			Notifications:       p.notifications(problems),
		}},
		OriginalURIBaseIDs: map[string]sarifBase{sourceRoot: {sarifText{p.base()}}},
		ColumnKind:         "unicodeCodePoints",
		Results:            p.results,
	}
	return writeJSON(p.w, sarifLog{Schema: sarifSchema, Version: sarifVersion, Runs: []sarifRun{run}})
}

// base says what paths are relative to.
func (p *sarifPrinter) base() string {
	if p.options.Repository.IsInside() {
		return "The root of the repository."
	}
	return "The folder that the check was run in."
}

func (p *sarifPrinter) notifications(problems []Problem) []sarifNotification {
	all := []sarifNotification{}
	for i := range problems {
		all = append(all, p.notification("error", &problems[i]))
	}
	for i := range p.totals.Warnings {
		all = append(all, p.notification("warning", &p.totals.Warnings[i]))
	}
	for _, note := range p.totals.notes() {
		all = append(all, p.notification("note", &Problem{Message: note}))
	}
	return all
}

func (p *sarifPrinter) notification(level string, problem *Problem) sarifNotification {
	notification := sarifNotification{Level: level, Message: sarifText{decision.Printable(problem.Message)}}
	if problem.Source.File != "" {
		notification.Locations = []sarifLocation{{Physical: p.place(problem.Source.File, position{Line: problem.Source.Line})}}
	}
	return notification
}

func (p *sarifPrinter) result(m *annotation) sarifResult {
	f := m.finding
	result := sarifResult{
		RuleID:    f.Policy,
		RuleIndex: p.rules.index(f.Policy),
		Level:     "note",
		Message:   sarifText{m.sentence()},
		Locations: []sarifLocation{{
			Physical: p.place(m.object.Source.File, m.position()),
			Logical:  logicalLocations(m),
		}},
		Fingerprints: map[string]string{fingerprint: fingerprintOf(m)},
		Properties:   sarifProperties{Outcome: f.Outcome(), Mode: f.Mode, Severity: f.Severity, Guardrails: append([]string{}, f.Guardrails...)},
	}
	switch {
	case f.Unknown != "":
		// What is not known to be wrong has no level in SARIF.
		result.Kind, result.Level = "open", "none"
	case f.Denies():
		result.Level = "error"
	case f.Warns():
		result.Level = "warning"
	}
	if f.Exempted() {
		result.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Justification: decision.Line("excused by "+f.ExemptedBy(), maxMessage)}}
	}
	return result
}

func (p *sarifPrinter) place(file string, at position) sarifPlace {
	uri, based := artifactURI(p.options.Repository, file)
	place := sarifPlace{Artifact: sarifArtifact{URI: uri}}
	if based {
		place.Artifact.BaseID = sourceRoot
	}
	if at.Line > 0 {
		place.Region = &sarifRegion{StartLine: at.Line, StartColumn: at.Column}
	}
	return place
}

// logicalLocations are the object and, inside of it, the field.
func logicalLocations(m *annotation) []sarifLogical {
	request := m.object.Request
	object := request.Kind.GroupKind().String() + "/"
	if request.Namespace.Name != "" {
		object += request.Namespace.Name + "/"
	}
	name := decision.RedactValue(request.DisplayName())
	object = decision.Redact(object) + name
	locations := []sarifLogical{{Name: name, FullyQualifiedName: object, Kind: "resource"}}
	if path := m.finding.Path; path != "" {
		locations = append(locations, sarifLogical{Name: path, FullyQualifiedName: object + "/" + path, Kind: "property"})
	}
	return locations
}

// fingerprintOf stays the same while a file is edited, moved or split, until the
// violation itself is another one.
func fingerprintOf(m *annotation) string {
	request, f := m.object.Request, m.finding
	hash := sha256.Sum256([]byte(strings.Join([]string{
		f.Policy, request.Kind.Group, request.Kind.Kind, request.Namespace.Name, request.DisplayName(), f.Container, f.Key,
	}, "\x00")))
	return hex.EncodeToString(hash[:])
}

// sarifRules gathers the rules that results point at.
type sarifRules struct {
	policies []*rego.Policy
	indices  map[string]int
	list     []sarifRule
}

func (r *sarifRules) index(id string) int {
	at, found := r.indices[id]
	if !found {
		at = len(r.list)
		r.indices[id] = at
		r.list = append(r.list, r.rule(id))
	}
	return at
}

func (r *sarifRules) rule(id string) sarifRule {
	for _, p := range r.policies {
		if p.ID == id {
			return toSARIFRule(p)
		}
	}
	return sarifRule{ID: id}
}

func toSARIFRule(p *rego.Policy) sarifRule {
	level := map[decision.Mode]string{decision.ModeEnforce: "error", decision.ModeWarn: "warning", decision.ModeAudit: "note"}[p.DefaultMode]
	// The package is taffrail.<topic>.<policy>.
	_, rest, _ := strings.Cut(p.Package, ".")
	topic, _, _ := strings.Cut(rest, ".")
	properties := sarifRuleProperties{Severity: p.Severity, Tags: []string{topic}}
	for section := range strings.SplitSeq(p.Section, ", ") {
		properties.Tags = append(properties.Tags, "section "+section)
	}
	// With a score, GitHub files a rule under security. Most policies are about staying
	// up, and belong elsewhere.
	if topic == "secrets" {
		properties.Tags = append(properties.Tags, "security")
		properties.SecuritySeverity = map[decision.Severity]string{
			decision.SeverityCritical: "9.5", decision.SeverityHigh: "8.0", decision.SeverityMedium: "5.5", decision.SeverityLow: "2.0",
		}[p.Severity]
	}
	return sarifRule{
		ID: p.ID, Name: camelCase(p.ID),
		ShortDescription:     &sarifText{p.Title},
		FullDescription:      &sarifText{p.Description},
		Help:                 &sarifHelp{Text: p.Remediation, Markdown: markdown(p)},
		DefaultConfiguration: &sarifConfiguration{level},
		Properties:           &properties,
	}
}

// camelCase is a policy's id as SARIF wants names: image-tag is ImageTag.
func camelCase(id string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(id, "-") {
		b.WriteString(strings.ToUpper(word[:min(1, len(word))]) + word[min(1, len(word)):])
	}
	return b.String()
}

// markdown escapes what the author of a policy wrote as plain text.
func markdown(p *rego.Policy) string {
	escape := strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "#", `\#`)
	return escape.Replace(p.Remediation) + "\n\nMore about it: `taffrail policies show " + p.ID + "`"
}
