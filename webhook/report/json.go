package report

import (
	"encoding/json"
	"io"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// jsonEnd is the part of a report after "objects", a list of jsonObject. It and the types below
// are a stable format: fields may be added, but never renamed or removed. Every field is always
// present: a string without content is empty, and lists are never null.
type jsonEnd struct {
	Errors []Problem `json:"errors"`
	// Warnings are about fields that have no effect. They do not change the exit code.
	Warnings []Problem `json:"warnings"`
	// NotJudged counts the objects to which no bound policy applies, and Skipped the documents that
	// are not objects.
	NotJudged []KindCount     `json:"notJudged"`
	Skipped   []CategoryCount `json:"skipped"`
	// Notes are about the run as a whole.
	Notes []string `json:"notes"`
	// Gone has the findings that only the earlier report has, if there is one.
	Gone    []jsonGone `json:"gone"`
	Summary Summary    `json:"summary"`
}

type jsonObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	// Name is empty if the API server generates one from GenerateName.
	Name         string          `json:"name"`
	GenerateName string          `json:"generateName"`
	Source       manifest.Source `json:"source"`
	// Cluster is the name of the cluster that the object was read from, if any.
	Cluster string `json:"cluster"`
	// Owner is empty if no label or annotation names one.
	Owner string `json:"owner"`
	// Verdict is allow if no bound policy applies to the object.
	Verdict decision.Verdict `json:"verdict"`
	// Judged is false if no bound policy applies to the object.
	Judged   bool            `json:"judged"`
	Findings []jsonFinding   `json:"findings"`
	Filled   []jsonFill      `json:"filled"`
	Patch    []jsonOperation `json:"patch"`
}

type jsonFinding struct {
	Policy     string            `json:"policy"`
	Guardrails []string          `json:"guardrails"`
	Mode       decision.Mode     `json:"mode"`
	Severity   decision.Severity `json:"severity"`
	Container  string            `json:"container"`
	Path       string            `json:"path"`
	// Line is the line of Path in the source or, if it does not exist, of its nearest parent. It is
	// 0 if the line is not known.
	Line        int             `json:"line"`
	Key         string          `json:"key"`
	Message     string          `json:"message"`
	Remediation string          `json:"remediation"`
	Fix         []jsonOperation `json:"fix"`
	Tolerated   string          `json:"tolerated"`
	Exempted    string          `json:"exempted"`
	Unknown     string          `json:"unknown"`
	// Change is new or unchanged, or empty if there is no earlier report or the finding is exempted.
	Change Change `json:"change"`
}

type jsonFill struct {
	Policy     string        `json:"policy"`
	Guardrails []string      `json:"guardrails"`
	Mode       decision.Mode `json:"mode"`
	Container  string        `json:"container"`
	Field      string        `json:"field"`
	Value      string        `json:"value"`
}

// jsonOperation is an operation of RFC 6902. Value is omitted if the operation has none, since
// null is a value.
type jsonOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value *any   `json:"value,omitempty"`
}

// NewJSON returns a Printer for programs. Credentials in quoted text are redacted. It prints each
// object as it arrives and holds the errors until Close.
func NewJSON(w io.Writer) Printer { return &jsonPrinter{w: w} }

type jsonPrinter struct {
	w      io.Writer
	totals Totals
}

// The text between the parts of a report.
const (
	jsonStart   = "{\n  \"objects\": ["
	jsonIndent  = "    "
	jsonNoneEnd = "],\n"
	jsonListEnd = "\n  ],\n"
)

func (p *jsonPrinter) Add(r *Report) error {
	for i := range r.Objects {
		before := ",\n" + jsonIndent
		if p.totals.Summary.Objects+i == 0 {
			before = jsonStart + "\n" + jsonIndent
		}
		text, err := indented(toJSONObject(&r.Objects[i]), jsonIndent)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(p.w, before+text); err != nil {
			return err
		}
	}
	p.totals.Add(r)
	return nil
}

func (p *jsonPrinter) Close() error {
	before := jsonListEnd
	if p.totals.Summary.Objects == 0 {
		before = jsonStart + jsonNoneEnd
	}
	end, err := indented(jsonEnd{
		Errors: list(p.totals.Errors, redacted), Warnings: list(p.totals.Warnings, redacted),
		NotJudged: p.totals.notJudged(), Skipped: p.totals.skipped(), Summary: p.totals.Summary,
		Notes: list(p.totals.Notes, func(note *string) string { return decision.Redact(*note) }), Gone: list(p.totals.Gone, toJSONGone),
	}, "")
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.w, before+strings.TrimPrefix(end, "{\n")+"\n")
	return err
}

func toJSONObject(o *Object) jsonObject {
	object := jsonObject{
		APIVersion:   decision.RedactValue(o.Request.Kind.GroupVersion().String()),
		Kind:         decision.RedactValue(o.Request.Kind.Kind),
		Namespace:    decision.RedactValue(o.Request.Namespace.Name),
		Name:         decision.RedactValue(o.Request.Name),
		GenerateName: decision.RedactValue(o.Request.GenerateName),
		Source:       o.Source,
		Cluster:      decision.RedactValue(o.Cluster),
		Owner:        decision.RedactValue(o.Owner),
		Verdict:      o.Decision.Verdict,
		Judged:       o.IsJudged(),
		Findings:     list(o.Decision.Findings, o.toJSONFinding),
		Filled:       list(o.Decision.Fills, toJSONFill),
		Patch:        list(o.Decision.Patch, toJSONOperation),
	}
	for i, change := range o.Changes {
		object.Findings[i].Change = change
	}
	return object
}

func (o *Object) toJSONFinding(f *decision.Finding) jsonFinding {
	return jsonFinding{
		Policy:      f.Policy,
		Guardrails:  append([]string{}, f.Guardrails...),
		Mode:        f.Mode,
		Severity:    f.Severity,
		Container:   decision.RedactValue(f.Container),
		Path:        f.Path,
		Line:        o.position(f.Path).Line,
		Key:         f.Key,
		Message:     f.Message,
		Remediation: f.Remediation,
		Fix:         list(printable(f.Fix), toJSONOperation),
		Tolerated:   f.Tolerated,
		Exempted:    strings.Join(f.Exemptions, ", "),
		Unknown:     f.Unknown,
	}
}

// printable returns a fix, or nil if it contains a credential: with the credential redacted, it
// would write something else.
func printable(fix []decision.PatchOperation) []decision.PatchOperation {
	encoded, err := json.Marshal(fix)
	if text := string(encoded); err != nil || decision.Redact(text) != text {
		return nil
	}
	return fix
}

func redacted(p *Problem) Problem {
	return Problem{Source: p.Source, Message: decision.Redact(p.Message)}
}

func toJSONFill(f *decision.Fill) jsonFill {
	return jsonFill{
		Policy:     f.Policy,
		Guardrails: append([]string{}, f.Guardrails...),
		Mode:       f.Mode,
		Container:  decision.RedactValue(f.Container),
		Field:      f.Field,
		Value:      f.Value,
	}
}

func toJSONOperation(o *decision.PatchOperation) jsonOperation {
	operation := jsonOperation{Op: o.Op, Path: o.Path}
	switch o.Op {
	case "add", "replace", "test":
		operation.Value = &o.Value
	}
	return operation
}

// list converts a list. The result is never nil.
func list[From, To any](from []From, convert func(*From) To) []To {
	to := make([]To, len(from))
	for i := range from {
		to[i] = convert(&from[i])
	}
	return to
}

func writeJSON(w io.Writer, value any) error {
	text, err := indented(value, "")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text+"\n")
	return err
}

// indented returns a value as JSON in which all lines but the first start with the prefix.
func indented(value any, prefix string) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent(prefix, "  ")
	err := encoder.Encode(value)
	return strings.TrimSuffix(b.String(), "\n"), err
}
