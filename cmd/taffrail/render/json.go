package render

import (
	"encoding/json"
	"io"

	"taffrail.dev/cmd/taffrail/manifest"
	"taffrail.dev/webhook/review"
)

// The types below are a stable format: fields may be added, never renamed or removed.
// Lists are never null.
type jsonReport struct {
	Objects []jsonObject `json:"objects"`
	Errors  []Problem    `json:"errors"`
	Summary Summary      `json:"summary"`
}

type jsonObject struct {
	APIVersion string                  `json:"apiVersion"`
	Kind       string                  `json:"kind"`
	Namespace  string                  `json:"namespace"`
	Name       string                  `json:"name"`
	Source     manifest.Source         `json:"source"`
	Verdict    review.Verdict          `json:"verdict"`
	Findings   []review.Finding        `json:"findings"`
	Filled     []review.Fill           `json:"filled"`
	Patch      []review.PatchOperation `json:"patch"`
}

// JSON writes the report for programs.
func JSON(w io.Writer, r *Report) error {
	out := jsonReport{
		Objects: make([]jsonObject, 0, len(r.Objects)),
		Errors:  append([]Problem{}, r.Errors...),
		Summary: r.Summary(),
	}
	for i := range r.Objects {
		o := &r.Objects[i]
		findings := append([]review.Finding{}, o.Decision.Findings...)
		for j := range findings {
			findings[j].Guardrails = append([]string{}, findings[j].Guardrails...)
		}
		out.Objects = append(out.Objects, jsonObject{
			APIVersion: o.Request.Kind.GroupVersion().String(),
			Kind:       o.Request.Kind.Kind,
			Namespace:  o.Request.Namespace.Name,
			Name:       o.Request.DisplayName(),
			Source:     o.Source,
			Verdict:    o.Decision.Verdict,
			Findings:   findings,
			Filled:     append([]review.Fill{}, o.Decision.Fills...),
			Patch:      append([]review.PatchOperation{}, o.Decision.Patch...),
		})
	}
	return writeJSON(w, out)
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
