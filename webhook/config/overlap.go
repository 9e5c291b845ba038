package config

import (
	"slices"

	"taffrail.dev/webhook/decision"
)

// BothEverywhere tells whether two Guardrails select every namespace that there is or may
// be, but for those that they exclude.
func BothEverywhere(a, b *Guardrail) bool { return a.selector.Empty() && b.selector.Empty() }

// BothCover names the namespaces that two Guardrails bind, sorted.
func BothCover(a, b *Guardrail, namespaces []decision.Namespace) (names []string) {
	for _, namespace := range namespaces {
		if a.Covers(namespace) && b.Covers(namespace) {
			names = append(names, namespace.Name)
		}
	}
	slices.Sort(names)
	return names
}
