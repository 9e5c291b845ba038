package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// Explained is an object with the explanation of what applies to it.
type Explained struct {
	// Source is the zero Source if the object was read from a cluster.
	Source      manifest.Source
	Request     *decision.Request
	Explanation *decision.Explanation
}

// maxLabels limits the number of labels of a namespace that are printed.
const maxLabels = 20

// ExplanationText writes an explanation for people.
func ExplanationText(w io.Writer, e *Explained) error {
	b := &explainWriter{explained: e}
	b.subject()
	for i := range e.Explanation.Guardrails {
		b.guardrail(&e.Explanation.Guardrails[i])
	}
	if len(e.Explanation.Guardrails) == 0 {
		b.line("No Guardrail is in force.")
	}
	b.line("")
	for i := range e.Explanation.Exemptions {
		b.exemption(&e.Explanation.Exemptions[i])
	}
	if len(e.Explanation.Exemptions) == 0 {
		b.line("There are no Exemptions.")
	}
	b.line("")
	for i := range e.Explanation.Facts {
		b.fact(&e.Explanation.Facts[i])
	}
	if len(e.Explanation.Facts) == 0 {
		b.line("No facts are used besides the labels of the namespace.")
	}
	if names := e.Explanation.Controllers; len(names) > 0 {
		b.line("Built-in controllers that write such objects are trusted, except for templates that the Guardrail does not decide: %s", strings.Join(names, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// explainWriter accumulates lines. Each is printed on one line, whatever the texts in it are:
// they come from a cluster.
type explainWriter struct {
	strings.Builder

	explained *Explained
}

func (b *explainWriter) line(format string, args ...any) {
	// It does not redact: the names of users contain what only resembles a password.
	b.WriteString(decision.PrintablePath(fmt.Sprintf(format, args...)) + "\n")
}

func (b *explainWriter) subject() {
	subject := b.explained.Request.Subject()
	if b.explained.Source != (manifest.Source{}) {
		subject = b.explained.Source.String() + ": " + subject
	}
	b.line("%s", subject)
	switch namespace := b.explained.Explanation.Namespace; {
	case namespace.Name == "":
	case !namespace.Known:
		why := namespace.Missing
		if why == "" {
			why = "is not in the input"
		}
		b.line("namespace %s %s, so its labels are not known", namespace.Name, why)
	case len(namespace.Labels) == 0:
		b.line("namespace %s has no labels", namespace.Name)
	default:
		b.line("namespace %s has the labels %s", namespace.Name, labelsText(namespace.Labels))
	}
	b.line("")
}

func labelsText(labels map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, name+"="+labels[name])
	}
	return joinNames(all, maxLabels)
}

func (b *explainWriter) guardrail(g *decision.GuardrailExplanation) {
	switch {
	case !g.Applies:
		b.line("Guardrail %s does not apply: %s", g.Name, g.Reason)
		return
	case g.Uncertain:
		b.line("Guardrail %s may apply: %s", g.Name, g.Reason)
	default:
		b.line("Guardrail %s applies: %s", g.Name, g.Reason)
	}
	for i := range g.Bindings {
		b.binding(&g.Bindings[i])
	}
	kind := b.explained.Request.Kind.Kind
	if len(g.Bindings) == 0 {
		b.line("  none of its policies applies to a %s", kind)
		return
	}
	if len(g.OtherKinds) > 0 {
		b.line("  do not apply to a %s: %s", kind, strings.Join(g.OtherKinds, ", "))
	}
	if g.TolerateExisting {
		b.line("  an update may keep violations that the object already has")
	}
	for _, writers := range []struct {
		what  string
		names []string
	}{{"users", g.TrustedUsers}, {"groups", g.TrustedGroups}} {
		if len(writers.names) > 0 {
			b.line("  trusted %s, whose objects are recorded and never denied: %s", writers.what, strings.Join(writers.names, ", "))
		}
	}
}

func (b *explainWriter) binding(binding *decision.BindingExplanation) {
	text := fmt.Sprintf("  %-7s  %s", binding.Mode, binding.Policy)
	switch {
	case binding.Mode != binding.BoundMode:
		text += fmt.Sprintf(" (bound with %s; the maximum mode is %s)", binding.BoundMode, binding.Mode)
	case binding.Pinned:
		text += " (the mode of the binding)"
	}
	if len(binding.Exemptions) > 0 {
		text += "; exempted by " + strings.Join(binding.Exemptions, ", ")
	}
	b.line("%s", text)
}

func (b *explainWriter) exemption(e *decision.ExemptionExplanation) {
	if !e.Applies {
		b.line("Exemption %s does not apply: %s", e.Name, e.Reason)
		return
	}
	text := fmt.Sprintf("Exemption %s applies until %s UTC: %s", e.Name, e.Until.UTC().Format("2006-01-02 15:04"), strings.Join(e.Policies, ", "))
	if len(e.Containers) > 0 {
		text += ", in containers " + strings.Join(e.Containers, ", ")
	}
	if e.Reason != "" {
		text += "; " + e.Reason
	}
	b.line("%s", text)
}

func (b *explainWriter) fact(f *decision.FactExplanation) {
	objects := strings.Join(f.Objects, ", ")
	switch {
	case f.Unread != "":
		objects = "unknown, because " + decision.Redact(f.Unread)
	case objects == "":
		objects = "none"
	}
	b.line("%s, used by %s: %s", f.Fact, strings.Join(f.Policies, ", "), objects)
}
