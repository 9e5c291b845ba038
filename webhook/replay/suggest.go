package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// Suggestion is a file that a person reviews before applying it.
type Suggestion struct {
	// File is the name of the file.
	File string
	Text string
}

const (
	// suggestedDays is how long the suggested Exemptions last.
	suggestedDays = 30
	// maxNames is the number of names in a suggested Exemption.
	maxNames = 50
)

const trustedHeader = `# Writers whose objects would have been denied although they belong to custom resources: they are operators, or somebody who
# names one as the owner of an object. If you trust a writer, add it to spec.trustedWriters.users of the Guardrail in your
# own manifest. What it writes is then recorded, and never denied.
`

const exemptionsHeader = `# Exemptions for the objects that would have been denied. Prefer to fix the manifests, and delete what you do not need. Each
# needs a reason and an owner.
`

// Suggest returns what may be done about the workloads that would be denied, besides those whose names contain
// credentials. now is the day on which the suggested
// Exemptions begin.
func Suggest(r *Report, now time.Time) ([]Suggestion, error) {
	writers, exempt := map[string]map[string]bool{}, map[[2]string][]*Workload{}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		for k := range w.Findings {
			f := &w.Findings[k]
			if f.Outcome != "denied" {
				continue
			}
			if w.Operator != "" {
				for _, guardrail := range f.Guardrails {
					if writers[guardrail] == nil && len(w.named) > 0 {
						writers[guardrail] = map[string]bool{}
					}
					for _, writer := range w.named {
						writers[guardrail][writer] = true
					}
				}
				continue
			}
			if w.unnamed {
				continue // an Exemption for the name as reported would exempt another object
			}
			key := [2]string{w.exemptedNamespace(), f.Policy}
			if !slices.Contains(exempt[key], w) {
				exempt[key] = append(exempt[key], w)
			}
		}
	}
	var all []Suggestion
	if len(writers) > 0 {
		all = append(all, Suggestion{"trusted-writers.yaml", trustedText(writers)})
	}
	if len(exempt) > 0 {
		text, err := exemptionsText(exempt, now)
		if err != nil {
			return nil, err
		}
		all = append(all, Suggestion{"exemptions.yaml", text})
	}
	return all, nil
}

// exemptedNamespace returns the namespace by which an Exemption covers the workload. A Namespace counts as being in
// itself.
func (w *Workload) exemptedNamespace() string {
	switch {
	case w.Namespace != "":
		return w.Namespace
	case w.Kind == "Namespace":
		return w.Name
	}
	return config.AnyNamespace
}

func trustedText(writers map[string]map[string]bool) string {
	var b strings.Builder
	b.WriteString(trustedHeader)
	for _, guardrail := range slices.Sorted(maps.Keys(writers)) {
		fmt.Fprintf(&b, "#\n# Guardrail %s:\n#   trustedWriters:\n#     users:\n", decision.Printable(guardrail))
		for _, writer := range slices.Sorted(maps.Keys(writers[guardrail])) {
			fmt.Fprintf(&b, "#     - %q\n", decision.Printable(writer))
		}
	}
	return b.String()
}

func exemptionsText(exempt map[[2]string][]*Workload, now time.Time) (string, error) {
	var b strings.Builder
	b.WriteString(exemptionsHeader)
	keys := slices.SortedFunc(maps.Keys(exempt), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, key := range keys {
		var kinds, names []string
		for _, w := range exempt[key] {
			group, _, grouped := strings.Cut(w.APIVersion, "/")
			kind := w.Kind
			if grouped {
				kind += "." + group
			}
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
			if !slices.Contains(names, w.Name) {
				names = append(names, w.Name)
			}
		}
		slices.Sort(kinds)
		slices.Sort(names)
		namespace := key[0]
		if namespace == config.AnyNamespace {
			namespace = "all"
		}
		for part := range slices.Chunk(names, maxNames) {
			name := "replay-" + namespace + "-" + key[1]
			if len(names) > maxNames {
				name += fmt.Sprint("-", 1+slices.Index(names, part[0])/maxNames)
			}
			text, err := yaml.Marshal(map[string]any{
				"apiVersion": v1alpha1.GroupVersion().String(), "kind": config.KindExemption, "metadata": map[string]any{"name": name},
				"spec": v1alpha1.ExemptionSpec{
					Policies: []string{key[1]}, Namespaces: []string{key[0]}, Kinds: kinds, Names: part,
					Reason: "TODO: why these objects cannot comply yet", Owner: "TODO: who fixes them", Expires: now.AddDate(0, 0, suggestedDays).Format(time.DateOnly),
				},
			})
			if err != nil {
				return "", err
			}
			b.WriteString("---\n" + string(text))
		}
	}
	return b.String(), nil
}
