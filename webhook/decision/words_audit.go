package decision

import (
	"strings"
)

// Annotations is what the audit log keeps: by policy id, the mode, the Guardrails that
// ask and what was found or filled, including what only audits. The API server puts
// the name of the webhook before each key.
func (d *Decision) Annotations() map[string]string {
	notes := map[string][]string{}
	for i := range d.Findings {
		f := &d.Findings[i]
		text := f.Mode.String() + ", " + f.Outcome()
		if why := d.why(f); why != "" {
			text += " (" + why + ")"
		}
		notes[f.Policy] = append(notes[f.Policy], text+by(f.Guardrails)+": "+of(f.Container)+f.Message)
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
		if g.left != "" {
			text = ModeEnforce.String() + ", left as it is (" + g.left + ")"
		}
		notes[g.policy] = append(notes[g.policy], text+by(g.guardrails)+": "+of(g.container)+verb+strings.Join(g.values, ", "))
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

func by(guardrails []string) string {
	if len(guardrails) == 0 {
		return ""
	}
	return ", " + asked(guardrails)
}

func of(container string) string {
	if container == "" {
		return ""
	}
	return container + ": "
}

// why is what Outcome leaves out. The text of an evaluation's error is for the operator
// and stays in the log: nobody vouches for what a rule puts into it.
func (d *Decision) why(f *Finding) string {
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
