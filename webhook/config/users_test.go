package config_test

import (
	"fmt"
	"testing"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// If a namespace's labels are unknown, it may lose everything that is bound under the strictest mode.
func TestTheMostThatMayBeLost(t *testing.T) {
	const enforce, warn, audit = decision.ModeEnforce, decision.ModeWarn, decision.ModeAudit
	type instances = map[int]decision.Mode
	on := expression("guard", "Exists")
	apart := on
	apart.ExcludeNamespaces = []string{"team-a"}
	for name, c := range map[string]struct {
		set     config.Guardrails
		ceiling decision.Mode
		want    string
	}{
		"none":              {nil, 0, "Mode(0) []"},
		"the strictest":     {config.Guardrails{bind(t, "a", on, instances{0: audit, 1: warn}), bind(t, "b", on, instances{0: enforce}), bind(t, "c", on, instances{0: warn})}, 0, "enforce [b]"},
		"the first":         {config.Guardrails{bind(t, "a", on, instances{0: enforce, 1: warn}), bind(t, "b", on, instances{0: audit})}, 0, "enforce [a]"},
		"each once":         {config.Guardrails{bind(t, "a", on, instances{0: warn, 1: warn}), bind(t, "b", on, instances{0: warn, 1: audit})}, 0, "warn [a b]"},
		"under a ceiling":   {config.Guardrails{bind(t, "a", on, instances{0: enforce}), bind(t, "b", on, instances{0: warn})}, warn, "warn [a b]"},
		"one that excludes": {config.Guardrails{bind(t, "a", apart, instances{0: enforce}), bind(t, "b", on, instances{0: audit})}, 0, "audit [b]"},
	} {
		lost := c.set.Oversized("team-a", c.ceiling)
		if got := fmt.Sprintf("%v %v", lost.Mode, lost.Names); got != c.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
