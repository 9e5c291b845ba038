package rego

import (
	"context"
	"maps"
	"slices"

	"taffrail.dev/webhook/decision"
)

// LibraryBudget is the budget of a policy of the library.
var LibraryBudget = libraryBudget

// Counting returns the same program, which reports the steps of each evaluation: "" is the library.
func (p *Program) Counting(report func(policy string, steps int)) *Program {
	return p.WithEngine(EngineTopdown).WithUsage(func(policy string, used Usage) { report(policy, int(used.Steps)) })
}

// Detectors returns the detectors that find something in an object, and whether the finding is only likely.
func Detectors(r *decision.Request) map[string]bool {
	all := map[string]bool{}
	found, _ := credentialsInput(context.Background(), r)["found"].(map[string]any)
	for _, at := range found {
		for _, hit := range at.(map[string]any)["holds"].([]any) {
			hit := hit.(map[string]any)
			detector := hit["detector"].(string)
			likely, seen := all[detector]
			all[detector] = hit["likely"].(bool) && (likely || !seen)
		}
	}
	return all
}

// NeededFacts returns the facts that the rules of a policy of the library read.
func NeededFacts(c *Catalog, policy *Policy) []decision.Fact {
	only := c.Only(policy.ID)
	return readFacts(slices.Collect(maps.Values(only.modules))).needed()
}
