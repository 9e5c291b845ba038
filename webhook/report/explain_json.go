package report

import (
	"encoding/json"
	"io"
	"time"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

// jsonExplanation and the types below are a stable format, like jsonEnd.
type jsonExplanation struct {
	APIVersion string              `json:"apiVersion"`
	Kind       string              `json:"kind"`
	Namespace  string              `json:"namespace"`
	Name       string              `json:"name"`
	Source     manifest.Source     `json:"source"`
	Labels     map[string]string   `json:"namespaceLabels"`
	Known      bool                `json:"namespaceKnown"`
	Guardrails []jsonGuardrail     `json:"guardrails"`
	Exemptions []jsonExemption     `json:"exemptions"`
	Facts      []jsonExplainedFact `json:"facts"`
	// Controllers has the built-in controllers that are trusted with what they copy from templates.
	Controllers []string `json:"trustedControllers"`
}

type jsonGuardrail struct {
	Name    string `json:"name"`
	Applies bool   `json:"applies"`
	// Uncertain is true if it depends on labels that are not known.
	Uncertain        bool          `json:"uncertain"`
	Reason           string        `json:"reason"`
	Policies         []jsonBinding `json:"policies"`
	OtherKinds       []string      `json:"policiesAboutOtherKinds"`
	TrustedUsers     []string      `json:"trustedUsers"`
	TrustedGroups    []string      `json:"trustedGroups"`
	TolerateExisting bool          `json:"tolerateExisting"`
}

type jsonBinding struct {
	Policy string `json:"policy"`
	// Mode is the one in effect, and BoundMode the one without the maximum mode.
	Mode       decision.Mode `json:"mode"`
	BoundMode  decision.Mode `json:"boundMode"`
	Exemptions []string      `json:"exemptions"`
}

type jsonExemption struct {
	Name       string    `json:"name"`
	Applies    bool      `json:"applies"`
	Reason     string    `json:"reason"`
	Policies   []string  `json:"policies"`
	Containers []string  `json:"containers"`
	Until      time.Time `json:"until"`
}

type jsonExplainedFact struct {
	Fact     decision.Fact `json:"fact"`
	Policies []string      `json:"policies"`
	Objects  []string      `json:"objects"`
	// Error is why the objects are not known, or empty.
	Error string `json:"error"`
}

// ExplanationJSON writes an explanation for programs, as one JSON document.
func ExplanationJSON(w io.Writer, e *Explained) error {
	x := e.Explanation
	out := jsonExplanation{
		APIVersion: e.Request.Kind.GroupVersion().String(), Kind: e.Request.Kind.Kind, Namespace: x.Namespace.Name, Name: e.Request.DisplayName(),
		Source: e.Source, Labels: x.Namespace.Labels, Known: x.Namespace.Known, Controllers: listOf(x.Controllers),
		Guardrails: []jsonGuardrail{}, Exemptions: []jsonExemption{}, Facts: []jsonExplainedFact{},
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	for i := range x.Guardrails {
		g := &x.Guardrails[i]
		guardrail := jsonGuardrail{
			Name: g.Name, Applies: g.Applies, Uncertain: g.Uncertain, Reason: g.Reason, Policies: []jsonBinding{}, OtherKinds: listOf(g.OtherKinds),
			TrustedUsers: listOf(g.TrustedUsers), TrustedGroups: listOf(g.TrustedGroups), TolerateExisting: g.TolerateExisting,
		}
		for _, b := range g.Bindings {
			guardrail.Policies = append(guardrail.Policies, jsonBinding{Policy: b.Policy, Mode: b.Mode, BoundMode: b.BoundMode, Exemptions: listOf(b.Exemptions)})
		}
		out.Guardrails = append(out.Guardrails, guardrail)
	}
	for _, m := range x.Exemptions {
		out.Exemptions = append(out.Exemptions, jsonExemption{
			Name: m.Name, Applies: m.Applies, Reason: m.Reason, Policies: listOf(m.Policies), Containers: listOf(m.Containers), Until: m.Until.UTC(),
		})
	}
	for _, f := range x.Facts {
		out.Facts = append(out.Facts, jsonExplainedFact{
			Fact: f.Fact, Policies: listOf(f.Policies), Objects: listOf(f.Objects), Error: decision.Redact(f.Unread),
		})
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(out)
}

// listOf returns a list that is never null.
func listOf(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}
