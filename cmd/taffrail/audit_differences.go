package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// differences returns a note for each Guardrail, and for the maximum mode, that is not the same in all clusters.
func differences(clusters []*auditedCluster) []string {
	var read []*auditedCluster
	for _, c := range clusters {
		if c.err == nil {
			read = append(read, c)
		}
	}
	if len(read) < 2 {
		return nil
	}
	modes := map[string][]string{}
	specs := map[string]map[string][]string{}
	for _, c := range read {
		mode := c.decider.options.MaxMode.String()
		modes[mode] = append(modes[mode], c.name)
		for i := range c.decider.source.objects.Guardrails {
			g := &c.decider.source.objects.Guardrails[i]
			if specs[g.Name] == nil {
				specs[g.Name] = map[string][]string{}
			}
			text, _ := json.Marshal(g.Spec) // it came from JSON or YAML
			specs[g.Name][string(text)] = append(specs[g.Name][string(text)], c.name)
		}
	}
	var notes []string
	if len(modes) > 1 {
		var parts []string
		for _, mode := range slices.Sorted(maps.Keys(modes)) {
			parts = append(parts, fmt.Sprintf("%s in %s", mode, strings.Join(modes[mode], ", ")))
		}
		notes = append(notes, "the maximum mode is "+strings.Join(parts, " and "))
	}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		if note := guardrailDifference(name, specs[name], read); note != "" {
			notes = append(notes, note)
		}
	}
	return notes
}

// guardrailDifference returns how a Guardrail differs between clusters, or "". It has the clusters by specification.
func guardrailDifference(name string, specs map[string][]string, clusters []*auditedCluster) string {
	groups := make([]string, 0, len(specs))
	having := map[string]bool{}
	for _, names := range specs {
		groups = append(groups, strings.Join(names, ", "))
		for _, cluster := range names {
			having[cluster] = true
		}
	}
	slices.Sort(groups)
	var parts []string
	if len(groups) > 1 {
		parts = append(parts, "is not the same in "+strings.Join(groups, " and in "))
	}
	var lacking []string
	for _, c := range clusters {
		if !having[c.name] {
			lacking = append(lacking, c.name)
		}
	}
	if len(lacking) > 0 {
		parts = append(parts, "is not in "+strings.Join(lacking, ", "))
	}
	if len(parts) == 0 {
		return ""
	}
	return "Guardrail " + name + " " + strings.Join(parts, ", and ")
}
