package report

import (
	"encoding/json"
	"io"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// jsonPolicy is a stable format, like the report that JSON writes.
type jsonPolicy struct {
	ID          string            `json:"id"`
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Mode        decision.Mode     `json:"mode"`
	Guardrail   string            `json:"guardrail"`
	Severity    decision.Severity `json:"severity"`
	Section     string            `json:"section"`
	Kinds       []string          `json:"kinds"`
	Facts       []string          `json:"facts"`
	Validates   bool              `json:"validates"`
	Mutates     bool              `json:"mutates"`
	Package     string            `json:"package"`
	Remediation string            `json:"remediation"`
	Parameters  []jsonParameter   `json:"parameters"`
	// Engine is only in the format of one policy: to know it, the policy is compiled. NotCompiled is why it is not
	// the compiled one.
	Engine      rego.Engine `json:"engine,omitempty"`
	NotCompiled string      `json:"notCompiled,omitempty"`
}

type jsonParameter struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Type        string         `json:"type"`
	Default     any            `json:"default"`
	Schema      map[string]any `json:"schema"`
}

// PoliciesJSON writes the catalog for programs.
func PoliciesJSON(w io.Writer, policies []*rego.Policy) error {
	list := make([]jsonPolicy, 0, len(policies))
	for _, p := range policies {
		list = append(list, toJSON(p))
	}
	return writeJSON(w, map[string]any{"policies": list})
}

// PolicyJSON writes one policy in the format of PoliciesJSON, with its engine.
func PolicyJSON(w io.Writer, p *rego.Policy) error {
	policy := toJSON(p)
	engine, err := p.Engine()
	if policy.Engine = engine; err != nil {
		policy.NotCompiled = err.Error()
	}
	return writeJSON(w, policy)
}

func toJSON(p *rego.Policy) jsonPolicy {
	parameters := make([]jsonParameter, 0, len(p.Parameters))
	for _, parameter := range p.Parameters {
		parameters = append(parameters, jsonParameter{
			Name: parameter.Name, Description: parameter.Description, Type: parameter.Type,
			Default: parameter.Default, Schema: parameter.Schema,
		})
	}
	return jsonPolicy{
		ID: p.ID, Title: p.Title, Description: p.Description, Mode: p.DefaultMode,
		Guardrail: string(p.DefaultGuardrail), Severity: p.Severity, Section: p.Section,
		Kinds: kinds(p), Facts: append([]string{}, factNames(p)...), Validates: p.Validates, Mutates: p.Mutates,
		Package: p.Package, Remediation: p.Remediation, Parameters: parameters,
	}
}

// inline returns a value as it is written on the command line or in YAML's flow style.
func inline(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return string(text)
}
