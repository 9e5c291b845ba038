package report

import (
	"fmt"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// maxMessage limits a message of one line, in characters.
const maxMessage = 400

// annotation is a message about a line, as GitHub calls it: a finding, or a value that an
// injection in mode warn would set.
type annotation struct {
	object  *Object
	finding *decision.Finding
	// isFill is true for an injection. It does not affect the verdict.
	isFill bool
	change Change
}

// annotations returns the annotations in the order of the findings, the most severe first.
func (o *Object) annotations() []annotation {
	var all []annotation
	for i := range o.Decision.Findings {
		a := annotation{object: o, finding: &o.Decision.Findings[i]}
		if o.Changes != nil {
			a.change = o.Changes[i]
		}
		all = append(all, a)
	}
	for i := range o.Decision.Fills {
		// Nothing is filled into an object that exists.
		if fill := &o.Decision.Fills[i]; fill.Mode == decision.ModeWarn && o.Request.Origin != decision.OriginLive {
			all = append(all, annotation{object: o, finding: o.missingValue(fill), isFill: true})
		}
	}
	return all
}

// missingValue returns a fill as the finding that a value is missing.
func (o *Object) missingValue(fill *decision.Fill) *decision.Finding {
	return &decision.Finding{
		Policy: fill.Policy, Guardrails: fill.Guardrails, Mode: fill.Mode, Container: fill.Container,
		Path: o.Request.Workload.FieldPath(fill.Container, fill.Field), Key: fill.Field, Message: "would set " + fill.Field + " to " + fill.Value,
	}
}

// verdict returns the verdict that the annotation alone would result in.
func (a *annotation) verdict() decision.Verdict {
	if a.isFill {
		return decision.VerdictAllow
	}
	return a.finding.Verdict()
}

// isReported returns false for findings that are only recorded.
func (a *annotation) isReported() bool {
	return a.finding.Warns() || a.verdict() != decision.VerdictAllow
}

func (a *annotation) position() position { return a.object.position(a.finding.Path) }

// sentence returns the object and the problem, on one line.
func (a *annotation) sentence() string {
	text := a.object.Request.Subject()
	if a.finding.Container != "" {
		text += fmt.Sprintf(", container %q", a.finding.Container)
	}
	return decision.Line(text+": "+a.finding.Message, maxMessage) + a.caveat()
}

// caveat explains why a finding does not have the effect of its mode. It is empty for most.
func (a *annotation) caveat() string {
	f := a.finding
	switch {
	case f.Exempted():
		return " (" + decision.Line("exempted by "+f.ExemptedBy(), maxMessage) + ")"
	case f.Unknown != "" && a.object.Decision.Errors[f.Policy] != nil:
		// The message says so already, and the text of the error may quote a value. The errors of
		// the report contain the part that is safe to print.
		return ""
	case f.Unknown != "":
		return " (not decided: " + decision.Line(f.Unknown, maxMessage) + ")"
	case f.Tolerated != "":
		return " (tolerated: " + decision.Line(f.Tolerated, maxMessage) + ")"
	}
	return ""
}

// text returns the text of a denial, prefixed with the position in the form that editors and CI
// logs link.
func (a *annotation) text() string {
	headline, rest, found := strings.Cut(a.finding.Text(), "\n")
	text := headline + a.caveat()
	if source := a.object.Source; source != (manifest.Source{}) {
		source.Line = a.position().Line
		text = decision.PrintablePath(source.String()) + ": " + text
	}
	if found {
		text += "\n" + rest
	}
	return text
}
