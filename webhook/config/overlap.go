package config

import (
	"slices"

	"taffrail.dev/webhook/decision"
)

// BothEverywhere reports whether two Guardrails select all namespaces, including future ones,
// that they do not exclude.
func BothEverywhere(a, b *Guardrail) bool { return a.selector.Empty() && b.selector.Empty() }

// BothCover returns the names of the namespaces that two Guardrails select, sorted.
func BothCover(a, b *Guardrail, namespaces []decision.Namespace) (names []string) {
	for _, namespace := range namespaces {
		if a.Covers(namespace) && b.Covers(namespace) {
			names = append(names, namespace.Name)
		}
	}
	slices.Sort(names)
	return names
}
