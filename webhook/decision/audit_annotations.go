package decision

import (
	"strings"
)

// Annotations returns the audit annotations: by policy id, the mode, the Guardrails and what
// was found or filled, including findings that are only recorded. The API server prefixes each
// key with the name of the webhook.
func (d *Decision) Annotations() map[string]string {
	notes := map[string][]string{}
	for i := range d.Findings {
		f := &d.Findings[i]
		text := f.Mode.String() + ", " + f.Outcome()
		if reason := d.reason(f); reason != "" {
			text += " (" + reason + ")"
		}
		notes[f.Policy] = append(notes[f.Policy], text+requiredBySuffix(f.Guardrails)+": "+containerPrefix(f.Container)+f.Message)
	}
	for policy := range d.Errors {
		if len(notes[policy]) == 0 {
			notes[policy] = []string{"could not be evaluated"}
		}
	}
	for _, g := range groupFills(d.Fills) {
		text := g.mode.String()
		verb := "sets "
		if g.mode < ModeEnforce {
			verb = "would set "
		}
		if g.skipReason != "" {
			text = ModeEnforce.String() + ", left as it is (" + g.skipReason + ")"
		}
		notes[g.policy] = append(notes[g.policy], text+requiredBySuffix(g.guardrails)+": "+containerPrefix(g.container)+verb+strings.Join(g.values, ", "))
	}
	if len(notes) == 0 {
		return nil
	}
	joined := make(map[string]string, len(notes))
	for policy, texts := range notes {
		joined[policy] = Line(strings.Join(texts, "; "), maxAnnotation)
	}
	return joined
}

func requiredBySuffix(guardrails []string) string {
	if len(guardrails) == 0 {
		return ""
	}
	return ", " + requiredBy(guardrails)
}

func containerPrefix(container string) string {
	if container == "" {
		return ""
	}
	return container + ": "
}

// reason returns the explanation of an Outcome. It omits the error of an evaluation, which is
// logged for the operator only, because a rule may put anything into it.
func (d *Decision) reason(f *Finding) string {
	switch {
	case f.Exempted():
		return f.ExemptedBy()
	case f.Unknown != "" && d.Errors[f.Policy] != nil:
		return ""
	case f.Unknown != "":
		return f.Unknown
	}
	return f.Tolerated
}
