package regotest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"taffrail.dev/webhook/rego"
)

// suite is what is tested with one catalog: a library, or users' policies.
type suite struct {
	catalog *rego.Catalog
	// tests holds sources by the module names that OPA uses.
	tests map[string]string
	cases map[string][]*Case // by policy id
	// budgets has those of users' policies, by id.
	budgets map[string]rego.Budget
	// group returns the report's group for a file, given its module name.
	group  func(file, pkg string) string
	places map[string]place
}

// Run tests everything in the given files and folders. What could not be tested is part of the Report; the
// error is not about the policies.
func Run(ctx context.Context, library *rego.Catalog, paths []string, coverage bool) (*Report, error) {
	all, err := find(paths)
	if err != nil {
		return nil, err
	}
	report := &Report{Groups: []Group{}}
	report.fail(nil, all.errs...)
	for _, s := range all.suites(library, report) {
		if err := s.run(ctx, coverage, report); err != nil {
			return nil, err
		}
	}
	report.sort()
	return report, nil
}

// suites divides what was found by catalog, and reports what does not fit together.
func (f *found) suites(library *rego.Catalog, report *Report) []*suite {
	var suites []*suite
	left := maps.Clone(f.tests)
	others := slices.Clone(f.cases)
	for _, root := range slices.Sorted(maps.Keys(f.roots)) {
		catalog, err := rego.Load(os.DirFS(root))
		if err != nil {
			report.fail(nil, fmt.Errorf("%s: %w", root, err))
			continue
		}
		suites = append(suites, f.librarySuite(root, catalog, left, &others))
	}
	if user := f.userSuite(library, left, others, report); user != nil {
		suites = append(suites, user)
	}
	return suites
}

// librarySuite moves the files below root from left into a suite.
func (f *found) librarySuite(root string, catalog *rego.Catalog, left map[string]string, others *[]*Case) *suite {
	s := &suite{catalog: catalog, tests: map[string]string{}, cases: map[string][]*Case{}, places: map[string]place{}}
	names := map[string]string{} // policy ids by folder
	for _, policy := range catalog.Policies() {
		names[strings.ReplaceAll(strings.TrimPrefix(policy.Package, "taffrail."), ".", "/")] = policy.ID
	}
	s.group = func(file, _ string) string {
		folder := filepath.ToSlash(filepath.Dir(file))
		if name, ok := names[folder]; ok {
			return name
		}
		return filepath.ToSlash(filepath.Join(root, folder)) + "/"
	}
	for file := range f.library {
		if name, ok := below(root, file); ok {
			s.places[name] = place{file: file}
		}
	}
	for file, source := range left {
		if name, ok := below(root, file); ok {
			s.tests[name], s.places[name] = source, place{file: file}
			delete(left, file)
		}
	}
	*others = slices.DeleteFunc(*others, func(c *Case) bool {
		name, ok := below(root, filepath.Dir(filepath.Dir(c.File)))
		if policy, known := names[name]; ok && known {
			s.cases[policy] = append(s.cases[policy], c)
			return true
		}
		return false
	})
	return s
}

func below(root, file string) (name string, ok bool) {
	name, err := filepath.Rel(root, file)
	name = filepath.ToSlash(name)
	return name, err == nil && name != ".." && !strings.HasPrefix(name, "../")
}

func (f *found) userSuite(library *rego.Catalog, tests map[string]string, others []*Case, report *Report) *suite {
	s := &suite{tests: map[string]string{}, cases: map[string][]*Case{}, budgets: map[string]rego.Budget{}, places: map[string]place{}}
	modules := map[string]string{}
	for _, policy := range f.users {
		if first, taken := s.places[rego.UserFile+policy.name]; taken {
			report.fail(nil, fmt.Errorf("%s: %q is already the name of another policy, in %s", policy.file, policy.name, first.file))
			continue
		}
		s.places[rego.UserFile+policy.name] = policy.place
		modules[policy.name] = policy.rego
		s.budgets[policy.name] = policy.budget
	}
	catalog, bad := library.With(modules)
	s.catalog = catalog
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		report.fail(s.places, rego.Errors(bad[name])...)
	}
	s.group = func(file, pkg string) string { return f.owner(file, pkg, modules) }
	for file, source := range tests {
		pkg, err := rego.PackageOf(file, source)
		if err != nil {
			report.fail(nil, rego.Errors(err)...)
		} else if bad[s.group(file, pkg)] == nil {
			s.tests[file], s.places[file] = source, place{file: file}
		}
	}
	for _, c := range others {
		name, err := f.policyOf(c)
		if err != nil {
			report.fail(nil, err)
		} else if bad[name] == nil {
			s.cases[name] = append(s.cases[name], c)
		}
	}
	if len(modules) == 0 && len(s.tests) == 0 {
		return nil
	}
	return s
}

// owner returns the policy that a test is about: the one that its package is named after, or else the only one
// in its folder. It returns the folder if there is no such policy.
func (f *found) owner(file, pkg string, modules map[string]string) string {
	if name, ok := strings.CutPrefix(file, rego.UserFile); ok && modules[name] != "" {
		return name
	}
	for name := range modules {
		if own := rego.UserPackage(name); pkg == own || pkg == own+"_test" {
			return name
		}
	}
	folder := filepath.Dir(file)
	if names := f.policiesBeside(folder); len(names) == 1 {
		return names[0]
	}
	return filepath.ToSlash(folder) + "/"
}

func (f *found) policyOf(c *Case) (string, error) {
	names := f.policiesBeside(filepath.Dir(filepath.Dir(c.File)))
	switch {
	case c.Policy != "" && slices.Contains(names, c.Policy):
		return c.Policy, nil
	case c.Policy != "":
		return "", &Error{File: c.File, Line: c.Line, Reason: fmt.Sprintf("there is no policy %q next to the folder of this case", c.Policy)}
	case len(names) == 1:
		return names[0], nil
	case len(names) == 0:
		return "", &Error{File: c.File, Line: c.Line, Reason: "there is no policy next to the folder of this case"}
	}
	return "", &Error{File: c.File, Line: c.Line, Reason: fmt.Sprintf("there are several policies next to the folder of this case: set policy to one of %s", strings.Join(names, ", "))}
}

// run adds the results of the suite to the report. The error is not about the policies.
func (s *suite) run(ctx context.Context, withCoverage bool, report *Report) error {
	var coverage *rego.Coverage
	if withCoverage {
		coverage = rego.NewCoverage(s.catalog)
	}
	for file := range s.places {
		if id := s.group(file, ""); strings.HasPrefix(file, rego.UserFile) {
			if policy, sound := s.catalog.Policy(id); sound {
				group := report.group(id) // list the policy even if it has no tests
				group.Kinds, _ = policy.KindNotes()
				group.Facts = policy.FactNotes()
				group.Deprecations = policy.Deprecations()
				if _, err := policy.Engine(); err != nil {
					group.NotCompiled = err.Error()
				}
			}
		}
	}
	results, err := s.catalog.RunTests(ctx, s.tests, coverage)
	if err != nil && ctx.Err() != nil {
		return err
	}
	report.fail(s.places, rego.Errors(err)...)
	for _, result := range results {
		report.addTest(s.group(result.File, result.Package), s.places, result)
	}
	for _, id := range slices.Sorted(maps.Keys(s.cases)) {
		if err := s.runCases(ctx, id, coverage, report); err != nil {
			return err
		}
	}
	if withCoverage {
		for _, file := range coverage.Files() {
			report.addCoverage(s.group(file.File, ""), s.places, file)
		}
	}
	return nil
}

func (s *suite) runCases(ctx context.Context, id string, coverage *rego.Coverage, report *Report) error {
	policy, ok := s.catalog.Policy(id)
	if !ok {
		return nil // already reported as unsound
	}
	only := s.catalog.Only(id)
	budget, hasBudget := s.budgets[id]
	programs := map[string]*rego.Program{} // by parameters
	used := map[string]rego.Usage{}        // by file of cases
	for _, c := range s.cases[id] {
		key, err := json.Marshal(c.Parameters)
		if err != nil {
			return err
		}
		program := programs[string(key)]
		if program == nil {
			if program, err = c.program(only, policy, budget); err != nil {
				report.addCase(id, s.places, c, &FailureError{Reason: err.Error()})
				continue
			}
			programs[string(key)] = program
		}
		if hasBudget {
			usage := c.usage(ctx, program)
			most := used[c.File]
			used[c.File] = rego.Usage{Steps: max(most.Steps, usage.Steps), Bytes: max(most.Bytes, usage.Bytes)}
		}
		if coverage != nil {
			program = program.WithCoverage(coverage)
		}
		err = c.Run(ctx, program)
		failure := new(FailureError)
		if err != nil && !errors.As(err, &failure) {
			return err
		}
		if err == nil {
			failure = nil
		}
		report.addCase(id, s.places, c, failure)
	}
	if hasBudget {
		report.addUsage(id, used, budget)
	}
	return nil
}
