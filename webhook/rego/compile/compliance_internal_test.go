package compile

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/test/cases"

	"taffrail.dev/webhook/rego/sandbox"
)

//go:embed testdata/compliance.txt
var testdata embed.FS

// casesOfOPA returns the cases that OPA's own implementations are tested with. They come with its module.
func casesOfOPA(t *testing.T) []cases.TestCase {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/open-policy-agent/opa").Output()
	if err != nil {
		t.Fatal(err)
	}
	all, err := cases.Load(filepath.Join(strings.TrimSpace(string(dir)), "v1", "test", "cases", "testdata", "v1"))
	if err != nil {
		t.Fatal(err)
	}
	return all.Cases
}

// knownExceptions are the cases that are not expected to pass: lines of a note and a reason, separated by a tab.
func knownExceptions(t *testing.T) map[string]string {
	t.Helper()
	file, err := testdata.Open("testdata/compliance.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, "#") {
			note, reason, ok := strings.Cut(line, "\t")
			if !ok || known[note] != "" {
				t.Fatalf("%q needs a reason, and to be there once", line)
			}
			known[note] = reason
		}
	}
	return known
}

// errNotAllowed is returned for a case of what policies may not use.
var errNotAllowed = errors.New("is not allowed in policies")

// TestCompliance holds the compiler to the cases that OPA's own implementations are held to, with what is computed when
// a policy is compiled and without.
func TestCompliance(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with the race detector, and is of one goroutine")
	}
	known := knownExceptions(t)
	var machines Machines // a case must not see what another one has left in a machine
	passed, notAllowed := 0, 0
	for _, c := range casesOfOPA(t) {
		err := comply(t, &machines, &c, false)
		if err == nil {
			err = comply(t, &machines, &c, true)
		}
		reason, excepted := known[c.Note]
		delete(known, c.Note)
		switch {
		case errors.Is(err, errNotAllowed):
			if notAllowed++; excepted {
				t.Errorf("%s is not allowed, and needs no exception", c.Note)
			}
		case err == nil && excepted:
			t.Errorf("%s passes: take it out of testdata/compliance.txt", c.Note)
		case err != nil && !excepted:
			t.Errorf("%s: %v", c.Note, err)
		case err == nil:
			passed++
		default:
			t.Logf("%s: %v: %s", c.Note, err, reason)
		}
	}
	for _, note := range slices.Sorted(maps.Keys(known)) {
		t.Errorf("there is no case %s", note)
	}
	t.Logf("%d pass, %d are about what policies may not use", passed, notAllowed)
	if passed < 1000 {
		t.Errorf("only %d cases were tried", passed)
	}
}

// comply returns what is wrong with the result of a case.
func comply(t *testing.T, machines *Machines, c *cases.TestCase, foldless bool) (err error) {
	t.Helper()
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("panic: %v", broken)
		}
	}()
	compiler, err := compileCase(c)
	if err != nil {
		return err
	}
	policy, err := planQuery(t.Context(), compiler, c.Query)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	program, query, err := compileQuery(policy, Options{foldless: foldless})
	if err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	input, data, err := documents(c)
	if err != nil {
		return err
	}
	m := machines.Get()
	defer machines.Put(m)
	found, err := m.query(t.Context(), program, query, input, data)
	return outcomeOf(c, found, err)
}

func compileCase(c *cases.TestCase) (*ast.Compiler, error) {
	modules := map[string]*ast.Module{}
	for i, source := range c.Modules {
		name := fmt.Sprintf("module%d.rego", i)
		module, err := ast.ParseModuleWithOpts(name, source, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			return nil, fmt.Errorf("parse: %w", err)
		}
		modules[name] = module
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		if strings.Contains(compiler.Errors.Error(), "undefined function test.sleep") { // of OPA's own tests
			return nil, errNotAllowed
		}
		return nil, fmt.Errorf("compile: %w", compiler.Errors)
	}
	if usesMore(c, compiler) {
		return nil, errNotAllowed
	}
	return compiler, nil
}

// usesMore reports whether a case calls, or replaces, a built-in function that policies may not call.
func usesMore(c *cases.TestCase, compiler *ast.Compiler) bool {
	allowed := map[string]bool{}
	for _, b := range sandbox.Capabilities().Builtins {
		allowed[b.Name] = true
	}
	more := false
	look := func(x any) {
		ast.WalkTerms(x, func(term *ast.Term) bool {
			if ref, ok := term.Value.(ast.Ref); ok {
				if _, isBuiltin := ast.BuiltinMap[ref.String()]; isBuiltin && !allowed[ref.String()] {
					more = true
				}
			}
			return false
		})
	}
	for _, module := range compiler.Modules {
		look(module)
	}
	if query, err := ast.ParseBody(c.Query); err == nil {
		if compiled, err := compiler.QueryCompiler().Compile(query); err == nil {
			look(compiled)
		}
	}
	return more
}

func documents(c *cases.TestCase) (input, data any, err error) {
	data = emptyObject
	if c.Data != nil {
		data = FromAST(ast.MustInterfaceToValue(*c.Data))
	}
	switch {
	case c.InputTerm != nil:
		term, err := ast.ParseTerm(*c.InputTerm)
		if err != nil {
			return nil, nil, err
		}
		input = FromAST(term.Value)
	case c.Input != nil:
		input = FromAST(ast.MustInterfaceToValue(*c.Input))
	}
	return input, data, nil
}

// errMissing is returned for a case that should have failed otherwise.
var errMissing = errors.New("the case fails otherwise")

func outcomeOf(c *cases.TestCase, found []any, err error) error {
	switch failed := new(Error); {
	case c.WantErrorCode != nil || c.WantError != nil:
		if !errors.As(err, &failed) || c.WantErrorCode != nil && failed.Code != *c.WantErrorCode {
			return fmt.Errorf("got %v, want an error: %w", found, errors.Join(err, errMissing))
		}
		return nil
	case errors.As(err, &failed) && failed.Code != codeConflict && !c.StrictError: // the case is about the value
	case err != nil:
		return err
	}
	switch {
	case c.WantDefined != nil:
		if (len(found) > 0) != *c.WantDefined {
			return fmt.Errorf("got %v", found)
		}
	case c.WantResult != nil:
		want, got := ast.NewSet(), ast.NewSet()
		for _, result := range *c.WantResult {
			want.Add(ast.NewTerm(ast.MustInterfaceToValue(result)))
		}
		for _, result := range found {
			asJSON, err := ast.JSONWithOpt(ToAST(result), ast.JSONOpt{SortSets: true})
			if err != nil {
				return err
			}
			got.Add(ast.NewTerm(ast.MustInterfaceToValue(asJSON)))
		}
		if c.SortBindings {
			want, got = sortBindings(want), sortBindings(got)
		}
		if want.Compare(got) != 0 {
			return fmt.Errorf("got %v, want %v", got, want)
		}
	}
	return nil
}

// sortBindings sorts the arrays that variables are bound to.
func sortBindings(results ast.Set) ast.Set {
	sorted, _ := results.Map(func(result *ast.Term) (*ast.Term, error) {
		bindings, _ := result.Value.(ast.Object).Map(func(name, value *ast.Term) (*ast.Term, *ast.Term, error) {
			if list, ok := value.Value.(*ast.Array); ok {
				return name, ast.NewTerm(list.Sorted()), nil
			}
			return name, value, nil
		})
		return ast.NewTerm(bindings), nil
	})
	return sorted
}

// compileQuery compiles all functions of a plan, and the query that was planned.
func compileQuery(policy *ir.Policy, options Options) (program *Program, query *function, err error) {
	p := readPlan(policy)
	program = p.newProgram(options)
	for i, fn := range p.functions {
		if err := program.add(i, fn); err != nil {
			return nil, nil, err
		}
	}
	fn := queryFunction(policy.Plans.Plans[0])
	c := newFunctionCompiler(program, len(p.functions), fn)
	c.impure = true
	if err := c.compile(); err != nil {
		return nil, nil, err
	}
	program.depth = max(program.depth, c.fn.depth)
	return program, c.fn, nil
}

func (m *Machine) query(ctx context.Context, p *Program, query *function, input, data any) ([]any, error) {
	m.prepare(ctx, p, DefaultBudget)
	_, err := m.protect(func() any {
		frame := m.enter(query)
		frame[0], frame[1] = input, data
		return m.run(query, frame)
	})
	return m.found, err
}
