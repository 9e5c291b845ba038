package rego

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
)

// Coverage gathers which lines of policies are evaluated. It is safe for concurrent use.
type Coverage struct {
	cover   *cover.Cover
	modules map[string]*ast.Module
}

// FileCoverage is what was evaluated of one module.
type FileCoverage struct {
	// File is a path of the library, or Policy/<name>.
	File    string
	Percent float64
	// Missing are the first and the last line of what was not evaluated.
	Missing [][2]int
}

// NewCoverage is for the policies of a catalogue: for users' own where there are any, and
// otherwise for the library.
func NewCoverage(c *Catalog) *Coverage {
	modules := c.modules
	if len(c.users) > 0 {
		modules = c.users
	}
	return &Coverage{cover: cover.New(), modules: modules}
}

// WithCoverage returns the same program, taking note of what it evaluates.
func (p *Program) WithCoverage(coverage *Coverage) *Program {
	noting := *p
	noting.coverage = coverage
	return &noting
}

// Files tells what was evaluated of every module, sorted by file.
func (c *Coverage) Files() []FileCoverage {
	report := c.cover.Report(c.modules)
	var files []FileCoverage
	for _, file := range slices.Sorted(maps.Keys(c.modules)) {
		covered := report.Files[file]
		if covered == nil {
			continue
		}
		f := FileCoverage{File: file, Percent: covered.Coverage}
		for _, missing := range covered.NotCovered {
			last := len(f.Missing) - 1
			if last >= 0 && missing.Start.Row <= f.Missing[last][1]+1 {
				f.Missing[last][1] = max(f.Missing[last][1], missing.End.Row)
				continue
			}
			f.Missing = append(f.Missing, [2]int{missing.Start.Row, missing.End.Row})
		}
		files = append(files, f)
	}
	return files
}
