package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/rego"
)

// PolicyTable writes the catalog, one line per policy.
func PolicyTable(w io.Writer, policies []*rego.Policy) error {
	var b strings.Builder
	b.WriteString("ID\tMODE\tSEVERITY\tSECTION\tKINDS\tTITLE\n")
	for _, p := range policies {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, p.DefaultMode, p.Severity, p.Section, abbreviatedKinds(p), p.Title)
	}
	_, err := io.WriteString(w, columns(b.String()))
	return err
}

// columns aligns text separated by tabs.
func columns(text string) string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	// Writing to a Builder cannot fail.
	_, _ = io.WriteString(table, text)
	_ = table.Flush()
	return b.String()
}

// abbreviatedKinds omits the groups, and counts the kinds that would make the table too wide.
func abbreviatedKinds(p *rego.Policy) string {
	const most = 3
	var names []string
	for i, kind := range p.Kinds {
		if i == most {
			names = append(names, fmt.Sprintf("+%d", len(p.Kinds)-most))
			break
		}
		names = append(names, kind.Kind)
	}
	return strings.Join(names, ",")
}

// PolicyText writes all details of one policy.
func PolicyText(w io.Writer, p *rego.Policy) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n%s\n", p.ID, p.Title, wrap(p.Description, ""))
	var rows strings.Builder
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&rows, "%s:\t%s\n", name, value)
		}
	}
	row("Default mode", p.DefaultMode.String())
	if !p.User {
		row("Guardrail", string(p.DefaultGuardrail)+" (built in)")
	}
	row("Severity", string(p.Severity))
	row("Section", p.Section)
	row("Does", does(p))
	row("Kinds", strings.Join(kinds(p), ", "))
	row("Facts", strings.Join(factNames(p), ", "))
	row("Rego package", p.Package)
	row("Engine", engineText(p))
	row("Remediation", p.Remediation)
	b.WriteString(columns(rows.String()))
	parametersText(&b, p)
	sample, err := sampleGuardrail(p)
	if err != nil {
		return err
	}
	b.WriteString("\nTo bind it in every namespace:\n\n" + indent(sample))
	_, err = io.WriteString(w, b.String())
	return err
}

// engineText returns the engine that evaluates the policy, and why if it is not the compiled one.
func engineText(p *rego.Policy) string {
	engine, err := p.Engine()
	if err != nil {
		return fmt.Sprintf("%s, because it cannot be compiled: %v", engine, err)
	}
	return string(engine)
}

func does(p *rego.Policy) string {
	switch {
	case p.Mutates && p.Validates:
		return "validates and fills in"
	case p.Mutates:
		return "fills in"
	}
	return "validates"
}

func kinds(p *rego.Policy) []string {
	names := make([]string, 0, len(p.Kinds))
	for _, kind := range p.Kinds {
		names = append(names, kind.String())
	}
	return names
}

func parametersText(b *strings.Builder, p *rego.Policy) {
	if len(p.Parameters) == 0 {
		b.WriteString("\nIt has no parameters.\n")
		return
	}
	b.WriteString("\nParameters:\n")
	eachParameter(p, func(name string, schema map[string]any) { parameterText(b, name, schema) })
}

func parameterText(b *strings.Builder, name string, schema map[string]any) {
	fmt.Fprintf(b, "\n  %s (%s, default %s)\n", name, typeOf(schema), inline(schema["default"]))
	if description, ok := schema["description"].(string); ok {
		b.WriteString(wrap(description, "      "))
	}
	if values := allowedText(schema); values != "" {
		b.WriteString("      " + values + "\n")
	}
}

// eachParameter calls a function for every parameter. It descends into the properties of an
// object, since their defaults are the effective ones.
func eachParameter(p *rego.Policy, call func(name string, schema map[string]any)) {
	for _, parameter := range p.Parameters {
		eachProperty(parameter.Name, parameter.Schema, call)
	}
}

func eachProperty(name string, schema map[string]any, call func(string, map[string]any)) {
	properties, _ := schema["properties"].(map[string]any)
	if len(properties) == 0 {
		call(name, schema)
		return
	}
	for _, inner := range slices.Sorted(maps.Keys(properties)) {
		if property, ok := properties[inner].(map[string]any); ok {
			eachProperty(name+"."+inner, property, call)
		}
	}
}

// typeOf includes the type of the elements of a list.
func typeOf(schema map[string]any) string {
	name, _ := schema["type"].(string)
	if items, ok := schema["items"].(map[string]any); ok && name == "array" {
		return "list of " + typeOf(items) + "s"
	}
	if format, ok := schema["format"].(string); ok {
		return format
	}
	return name
}

// allowedText lists the values that a parameter, or each element of a list, may have. It is empty if
// any value is allowed.
func allowedText(schema map[string]any) string {
	start := "One of "
	if items, ok := schema["items"].(map[string]any); ok {
		start, schema = "Each is one of ", items
	}
	if schema["enum"] == nil {
		return ""
	}
	return start + inline(schema["enum"])
}

// sampleGuardrail returns valid YAML of a Guardrail that binds the policy, with its default
// parameters spelled out.
func sampleGuardrail(p *rego.Policy) (string, error) {
	binding := map[string]any{"name": p.ID}
	parameters, bad := p.CheckParameters(nil, field.NewPath("parameters"))
	if len(bad) > 0 {
		return "", bad.ToAggregate()
	}
	if len(parameters) > 0 {
		binding["parameters"] = parameters
	}
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion().String(),
		"kind":       "Guardrail",
		"metadata":   map[string]any{"name": "my-guardrail"},
		"spec": map[string]any{
			"mode":              p.DefaultMode.String(),
			"namespaceSelector": map[string]any{},
			"policies":          []any{binding},
		},
	})
	return string(text), err
}

// wrap breaks text into lines of at most 88 characters, not counting the margin.
func wrap(text, margin string) string {
	const width = 88
	var b strings.Builder
	used := 0
	for word := range strings.FieldsSeq(text) {
		if used > 0 && used+1+len(word) > width {
			b.WriteByte('\n')
			used = 0
		}
		if used == 0 {
			b.WriteString(margin + word)
		} else {
			b.WriteString(" " + word)
			used++
		}
		used += len(word)
	}
	return b.String() + "\n"
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}

func factNames(p *rego.Policy) []string {
	names := make([]string, len(p.Facts))
	for i, fact := range p.Facts {
		names[i] = string(fact)
	}
	return names
}
