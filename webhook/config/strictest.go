package config

import (
	"slices"

	"taffrail.dev/webhook/decision"
)

// Strictest collects what is bound under the strictest mode: Guardrails, or policies.
type Strictest struct {
	// Mode is 0 if nothing is bound.
	Mode decision.Mode
	// Names has each name once, in the order of the bindings.
	Names []string
}

// Add adds a name that is bound under a mode.
func (s *Strictest) Add(mode decision.Mode, name string) {
	if mode > s.Mode {
		s.Mode, s.Names = mode, nil
	}
	if mode == s.Mode && !slices.Contains(s.Names, name) {
		s.Names = append(s.Names, name)
	}
}
