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
	// sourceRoot is the name that SARIF readers use for the folder of the check.
	sourceRoot = "%SRCROOT%"
	// fingerprint names the inputs of the hash, so a change of them needs a new name. GitHub computes a
	// fingerprint of its own under its own name, and warns about every result that brings one.
	fingerprint = "taffrailFinding/v1"
)

// SARIFOptions configures SARIF.
type SARIFOptions struct {
	// Version is the version of the program, or empty if unknown.
	Version string
	// Policies is the catalog. Only policies with a result become rules, because which others were evaluated
	// depends on the Guardrails.
	Policies []*rego.Policy
	// Repository finds the paths that code scanning requires. It may be nil.
	Repository *repository.Finder
}

// NewSARIF returns a Printer for the Static Analysis Results Interchange Format 2.1.0, for GitHub's code scanning
// and similar readers. A check that could not decide everything is reported as an unsuccessful execution, so
// that a reader does not take missing results for fixed ones. The Printer holds all results until Close, because
// the rules that they refer to precede them.
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
	for i := range r.Gone {
		p.results = append(p.results, p.gone(&r.Gone[i]))
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

// base returns what paths are relative to.
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
		Baseline:  baselineState(m.change),
		Message:   sarifText{m.sentence()},
		Locations: []sarifLocation{{
			Physical: p.place(m.object.Source.File, m.position()),
			Logical:  logicalLocations(m),
		}},
		Fingerprints: map[string]string{fingerprint: fingerprintOf(m)},
		Properties: sarifProperties{Outcome: f.Outcome(), Mode: f.Mode, Severity: f.Severity, Guardrails: append([]string{}, f.Guardrails...),
			Cluster: decision.RedactValue(m.object.Cluster), Owner: decision.RedactValue(m.object.Owner)},
	}
	switch {
	case f.Unknown != "":
		// In SARIF, a result that is not known to be a violation has no level.
		result.Kind, result.Level = "open", "none"
	case f.Denies():
		result.Level = "error"
	case f.Warns():
		result.Level = "warning"
	}
	if f.Exempted() {
		result.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Justification: decision.Line("exempted by "+f.ExemptedBy(), maxMessage)}}
	}
	return result
}

// place returns nil for an object of a cluster, which is in no file.
func (p *sarifPrinter) place(file string, at position) *sarifPlace {
	if file == "" {
		return nil
	}
	uri, based := artifactURI(p.options.Repository, file)
	place := &sarifPlace{Artifact: sarifArtifact{URI: uri}}
	if based {
		place.Artifact.BaseID = sourceRoot
	}
	if at.Line > 0 {
		place.Region = &sarifRegion{StartLine: at.Line, StartColumn: at.Column}
	}
	return place
}

// baselineState returns SARIF's word for a change.
func baselineState(change Change) string {
	if change == Gone {
		return "absent"
	}
	return string(change)
}

// gone returns a finding that only the earlier report has.
func (p *sarifPrinter) gone(g *GoneFinding) sarifResult {
	from := toJSONGone(g)
	name := decision.Subject(from.Kind, from.Namespace, from.displayName())
	return sarifResult{
		RuleID: from.Finding.Policy, RuleIndex: p.rules.index(from.Finding.Policy), Level: "note", Baseline: baselineState(Gone),
		Message:   sarifText{decision.Line(name+": "+from.Finding.Message, maxMessage)},
		Locations: []sarifLocation{{Logical: []sarifLogical{{Name: name, FullyQualifiedName: name, Kind: "resource"}}}},
		Properties: sarifProperties{
			Outcome: string(Gone), Mode: from.Finding.Mode, Severity: from.Finding.Severity, Guardrails: from.Finding.Guardrails, Cluster: from.Cluster, Owner: from.Owner,
		},
	}
}

// logicalLocations returns the object and, inside of it, the field.
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

// fingerprintOf returns a hash that stays the same while a file is edited, moved or split, and changes with the
// violation itself.
func fingerprintOf(m *annotation) string {
	request, f := m.object.Request, m.finding
	parts := []string{f.Policy, request.Kind.Group, request.Kind.Kind, request.Namespace.Name, request.DisplayName(), f.Container, f.Key}
	if m.object.Cluster != "" {
		parts = append(parts, m.object.Cluster)
	}
	hash := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(hash[:])
}

// sarifRules collects the rules that results refer to.
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
	// GitHub lists a rule with a score under security. Most policies are about availability and do not belong
	// there.
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

// camelCase converts a policy's id to SARIF's convention for names: image-tag becomes ImageTag.
func camelCase(id string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(id, "-") {
		b.WriteString(strings.ToUpper(word[:min(1, len(word))]) + word[min(1, len(word)):])
	}
	return b.String()
}

// markdown escapes the plain text that the author of a policy wrote.
func markdown(p *rego.Policy) string {
	escape := strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "#", `\#`)
	return escape.Replace(p.Remediation) + "\n\nMore about it: `taffrail policies show " + p.ID + "`"
}
