package report

import (
	"fmt"
	"strings"

	"taffrail.dev/webhook/decision"
)

// maxMessage is how many characters a message of one line has.
const maxMessage = 400

// remark is one thing to say of an object: a finding, or a value that an injection which
// only warns would set.
type remark struct {
	object  *Object
	finding *decision.Finding
	// filling is true for an injection. It leaves the verdict alone.
	filling bool
}

// remarks are in the order of the findings, which is that of their cost.
func (o *Object) remarks() []remark {
	var all []remark
	for i := range o.Decision.Findings {
		all = append(all, remark{object: o, finding: &o.Decision.Findings[i]})
	}
	for i := range o.Decision.Fills {
		if fill := &o.Decision.Fills[i]; fill.Mode == decision.ModeWarn {
			all = append(all, remark{object: o, finding: o.gap(fill), filling: true})
		}
	}
	return all
}

// gap is a fill as the finding that something is missing.
func (o *Object) gap(fill *decision.Fill) *decision.Finding {
	return &decision.Finding{
		Policy: fill.Policy, Guardrails: fill.Guardrails, Mode: fill.Mode, Container: fill.Container,
		Path: o.Request.Workload.FieldPath(fill.Container, fill.Field), Key: fill.Field, Message: "would set " + fill.Field + " to " + fill.Value,
	}
}

// verdict is what the remark alone makes of the object.
func (m *remark) verdict() decision.Verdict {
	if m.filling {
		return decision.VerdictAllow
	}
	return m.finding.Verdict()
}

// told is false for what is only recorded.
func (m *remark) told() bool { return m.finding.Warns() || m.verdict() != decision.VerdictAllow }

func (m *remark) position() position { return m.object.position(m.finding.Path) }

// sentence names the object and what is wrong with it, in one line.
func (m *remark) sentence() string {
	text := m.object.Request.Subject()
	if m.finding.Container != "" {
		text += fmt.Sprintf(", container %q", m.finding.Container)
	}
	return decision.Line(text+": "+m.finding.Message, maxMessage) + m.caveat()
}

// caveat is why a finding is not what its mode says; empty for most.
func (m *remark) caveat() string {
	f := m.finding
	switch {
	case f.Exempted():
		return " (" + decision.Line("excused by "+f.ExemptedBy(), maxMessage) + ")"
	case f.Unknown != "" && m.object.Decision.Errors[f.Policy] != nil:
		// The message says so, and the error's text may quote a value: the report's errors
		// have what may be said of it.
		return ""
	case f.Unknown != "":
		return " (not decided: " + decision.Line(f.Unknown, maxMessage) + ")"
	case f.Tolerated != "":
		return " (tolerated: " + decision.Line(f.Tolerated, maxMessage) + ")"
	}
	return ""
}

// words are those of a denial, headed by the place, as editors and CI logs link it.
func (m *remark) words() string {
	headline, rest, found := strings.Cut(m.finding.Text(), "\n")
	source := m.object.Source
	source.Line = m.position().Line
	text := PrintablePath(source.String()) + ": " + headline + m.caveat()
	if found {
		text += "\n" + rest
	}
	return text
}
