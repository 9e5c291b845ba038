package main

import (
	_ "embed"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"
)

// Equivalent is a change that no test can notice, or that no test needs to notice.
type Equivalent struct {
	File string `json:"file"`
	Func string `json:"func"`
	// Was and Is are the changed lines. Indentation does not matter.
	Was string `json:"was"`
	Is  string `json:"is"`
	// Why explains why the change need not be noticed.
	Why string `json:"why"`
}

//go:embed equivalent.yaml
var equivalents []byte

// listed returns the listed equivalents.
func listed() ([]Equivalent, error) {
	var all []Equivalent
	if err := yaml.UnmarshalStrict(equivalents, &all); err != nil {
		return nil, fmt.Errorf("equivalent.yaml: %w", err)
	}
	return all, nil
}

func (e *Equivalent) is(m *Mutant) bool {
	return e.File == m.File && e.Func == m.Func && squeeze(e.Was)+" => "+squeeze(e.Is) == m.change()
}

// stale returns the equivalents that match no mutant of the current code, or give no reason.
func stale(all []Equivalent, mutants []Mutant) []Equivalent {
	return slices.DeleteFunc(slices.Clone(all), func(e Equivalent) bool {
		return e.Why != "" && slices.ContainsFunc(mutants, func(m Mutant) bool { return e.is(&m) })
	})
}

// open returns the mutants that are not listed.
func open(mutants []Mutant, all []Equivalent) []Mutant {
	return slices.DeleteFunc(slices.Clone(mutants), func(m Mutant) bool {
		return slices.ContainsFunc(all, func(e Equivalent) bool { return e.is(&m) })
	})
}
