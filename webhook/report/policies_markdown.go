package report

import (
	"fmt"
	"io"
	"strings"

	"taffrail.dev/webhook/rego"
)

// PoliciesMarkdown writes the catalog as the page in the policies folder: a table, and a section
// for each policy.
func PoliciesMarkdown(w io.Writer, policies []*rego.Policy) error {
	var b strings.Builder
	b.WriteString("# The policies\n\nGenerated from the policies' METADATA by `make generate`: edit it there. " +
		"[AUTHORING.md](AUTHORING.md) explains how to write a policy.\n\n" +
		"| policy | § | applies to | mode | |\n|---|---|---|---|---|\n")
	for _, p := range policies {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s | %s |\n", p.ID, p.ID, p.Section, plainKinds(p), modeOf(p), cell(p.Title))
	}
	for _, p := range policies {
		policyMarkdown(&b, p)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// modeOf returns the mode in the built-in Guardrail. For a policy that mutates, enforce means
// that values are injected.
func modeOf(p *rego.Policy) string {
	mode := p.DefaultMode.String()
	if p.Mutates {
		mode += " (" + does(p) + ")"
	}
	if p.DefaultGuardrail != rego.GuardrailChapter {
		mode += fmt.Sprintf(", in namespaces with `taffrail.dev/exposure: %s`", p.DefaultGuardrail)
	}
	return mode
}

func policyMarkdown(b *strings.Builder, p *rego.Policy) {
	fmt.Fprintf(b, "\n## %s\n\n**%s.** %s\n\n", p.ID, p.Title, p.Description)
	fmt.Fprintf(b, "- Severity %s, mode %s, section %s of the chapter.\n", p.Severity, modeOf(p), p.Section)
	fmt.Fprintf(b, "- Applies to %s.\n", strings.Join(kinds(p), ", "))
	if len(p.Facts) > 0 {
		fmt.Fprintf(b, "- Facts: %s.\n", strings.Join(factNames(p), ", "))
	}
	fmt.Fprintf(b, "- What to do: %s\n", p.Remediation)
	if len(p.Parameters) == 0 {
		return
	}
	b.WriteString("\n| parameter | type | default | |\n|---|---|---|---|\n")
	eachParameter(p, func(name string, schema map[string]any) {
		description, _ := schema["description"].(string)
		if values := allowedText(schema); values != "" {
			description += " " + values + "."
		}
		fmt.Fprintf(b, "| `%s` | %s | `%s` | %s |\n", name, typeOf(schema), cell(inline(schema["default"])), cell(strings.TrimSpace(description)))
	})
}

// plainKinds returns the kinds without their groups.
func plainKinds(p *rego.Policy) string {
	var names []string
	for _, kind := range p.Kinds {
		names = append(names, kind.Kind)
	}
	return strings.Join(names, ", ")
}

// cell escapes text for a table cell.
func cell(text string) string { return strings.NewReplacer("|", "\\|", "\n", " ").Replace(text) }
