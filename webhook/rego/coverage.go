package rego

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
)

// Coverage records which lines of policies are evaluated. It is safe for concurrent use.
type Coverage struct {
	cover   *cover.Cover
	modules map[string]*ast.Module
}

// FileCoverage reports how much of one module was evaluated.
type FileCoverage struct {
	// File is a path of the library, or Policy/<name>.
	File    string
	Percent float64
	// Missing lists ranges of lines that were not evaluated, as first and last line.
	Missing [][2]int
}

// NewCoverage returns a Coverage of users' Policies if the catalog has any, and of the library otherwise.
func NewCoverage(c *Catalog) *Coverage {
	modules := c.modules
	if len(c.users) > 0 {
		modules = c.users
	}
	return &Coverage{cover: cover.New(), modules: modules}
}

// WithCoverage returns a copy of the program that records what it evaluates.
func (p *Program) WithCoverage(coverage *Coverage) *Program {
	noting := p.WithEngine(EngineTopdown)
	noting.coverage = coverage
	return noting
}

// Files returns the coverage of every module, sorted by file.
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
