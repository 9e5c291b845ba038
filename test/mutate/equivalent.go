package main

import (
	_ "embed"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"
)

// Equivalent is a change that nobody can notice, or that nobody has to.
type Equivalent struct {
	File string `json:"file"`
	Func string `json:"func"`
	// Was and Is are the changed lines. How they are indented does not matter.
	Was string `json:"was"`
	Is  string `json:"is"`
	// Why nobody can or has to notice it.
	Why string `json:"why"`
}

//go:embed equivalent.yaml
var equivalents []byte

// judged returns the changes that have been judged.
func judged() ([]Equivalent, error) {
	var all []Equivalent
	if err := yaml.UnmarshalStrict(equivalents, &all); err != nil {
		return nil, fmt.Errorf("equivalent.yaml: %w", err)
	}
	return all, nil
}

func (e *Equivalent) is(m *Mutant) bool {
	return e.File == m.File && e.Func == m.Func && squeeze(e.Was)+" => "+squeeze(e.Is) == m.change()
}

// stale returns those that are about no change of today's code, or give no reason.
func stale(all []Equivalent, mutants []Mutant) []Equivalent {
	return slices.DeleteFunc(slices.Clone(all), func(e Equivalent) bool {
		return e.Why != "" && slices.ContainsFunc(mutants, func(m Mutant) bool { return e.is(&m) })
	})
}

// open returns the mutants that have not been judged.
func open(mutants []Mutant, all []Equivalent) []Mutant {
	return slices.DeleteFunc(slices.Clone(mutants), func(m Mutant) bool {
		return slices.ContainsFunc(all, func(e Equivalent) bool { return e.is(&m) })
	})
}
