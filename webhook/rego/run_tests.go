package rego

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"taffrail.dev/webhook/rego/sandbox"
)

// testTimeout ends a Rego test that does not terminate. It is far longer than any test takes, even on a busy machine.
const testTimeout = 2 * time.Minute

// TestResult is the outcome of one Rego test.
type TestResult struct {
	Package string
	Name    string
	// File and Row locate the test.
	File string
	Row  int
	// Skipped reports whether the test is named todo_test_….
	Skipped bool
	// Failure is nil if the test passed.
	Failure *TestFailure
	// Output is what the test printed.
	Output string
}

// TestFailure locates and explains the failure of a test, as far as OPA's trace allows.
type TestFailure struct {
	// Row is the line in the test's file of the expression that did not hold, or 0 if it is unknown.
	Row int
	// Left and Right are the values that the expression compared, and empty if it was not a comparison.
	Left, Right string
	// Err is not nil if the test could not be evaluated.
	Err error
}

// RunTests runs the Rego tests in sources, which is keyed by file, with the policies of the catalog and under
// the same limits: users' Policies if there are any, and the library otherwise. coverage may be nil. The error
// is about sources that do not compile.
func (c *Catalog) RunTests(ctx context.Context, sources map[string]string, coverage *Coverage) ([]TestResult, error) {
	modules, err := c.testModules(sources)
	if err != nil {
		return nil, err
	}
	results, err := runTests(ctx, modules, func(runner *tester.Runner) *tester.Runner {
		if coverage == nil {
			return runner
		}
		return runner.SetCoverageRuns(nil).SetCoverageQueryTracer(coverage.cover)
	})
	if err != nil {
		return nil, err
	}
	var failed []string
	for _, result := range results {
		if result.Fail {
			failed = append(failed, regexp.QuoteMeta(fullName(result)))
		}
	}
	traces := map[string][]*topdown.Event{}
	if len(failed) > 0 { // only failed tests are traced: traces are large
		again, err := runTests(ctx, modules, func(runner *tester.Runner) *tester.Runner {
			return runner.EnableTracing(true).Filter("^(" + strings.Join(failed, "|") + ")$")
		})
		if err != nil {
			return nil, err
		}
		for _, result := range again {
			traces[fullName(result)] = result.Trace
		}
	}
	all := make([]TestResult, 0, len(results))
	for _, result := range results {
		all = append(all, newTestResult(result, traces[fullName(result)]))
	}
	slices.SortFunc(all, func(a, b TestResult) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Row-b.Row, strings.Compare(a.Name, b.Name))
	})
	return all, nil
}

func fullName(result *tester.Result) string { return result.Package + "." + result.Name }

func (c *Catalog) testModules(sources map[string]string) (map[string]*ast.Module, error) {
	tests := map[string]*ast.Module{}
	var faults []error
	for _, file := range slices.Sorted(maps.Keys(sources)) {
		module, err := parse(file, sources[file])
		if err == nil {
			err = checkNegation(module, file)
		}
		faults = append(faults, sourceErrors(err))
		tests[file] = module
	}
	if err := flat(faults); err != nil {
		return nil, err
	}
	modules := maps.Clone(c.modules)
	if len(c.users) > 0 {
		modules = c.helpersOf(slices.AppendSeq(slices.Collect(maps.Values(c.users)), maps.Values(tests))...)
		maps.Copy(modules, c.users)
	}
	maps.Copy(modules, tests)
	return modules, nil
}

func runTests(ctx context.Context, modules map[string]*ast.Module, configure func(*tester.Runner) *tester.Runner) ([]*tester.Result, error) {
	store := inmem.New()
	transaction, err := store.NewTransaction(ctx, storage.TransactionParams{})
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, transaction)
	runner := configure(tester.NewRunner()).SetCompiler(newTestCompiler()).SetStore(store).SetModules(modules).
		AddCustomBuiltins(testBuiltins()).RaiseBuiltinErrors(true).SetTimeout(testTimeout)
	running, err := runner.RunTests(ctx, transaction)
	if err != nil {
		return nil, sourceErrors(err)
	}
	var results []*tester.Result
	for result := range running {
		results = append(results, result)
	}
	return results, ctx.Err()
}

// newTestCompiler allows what policies may use, and the built-in that OPA's tester inserts into tests.
func newTestCompiler() *ast.Compiler {
	caps := sandbox.Capabilities()
	caps.Builtins = append(caps.Builtins, ast.InternalTestCase)
	return sandbox.Limit(sandbox.NewCompiler().WithCapabilities(caps).WithRewriteTestRules(true).WithEnablePrintStatements(true).SetErrorLimit(0))
}

// testBuiltins returns the limited built-in functions in the form that the tester requires.
func testBuiltins() []*tester.Builtin {
	var all []*tester.Builtin
	for name, builtin := range sandbox.Builtins() {
		function := &rego.Function{Name: name, Decl: builtin.Decl.Decl}
		call := builtin.Func
		all = append(all, &tester.Builtin{Decl: builtin.Decl, Func: rego.FunctionDyn(function, func(bctx rego.BuiltinContext, operands []*ast.Term) (*ast.Term, error) {
			var result *ast.Term
			err := call(bctx, operands, func(term *ast.Term) error {
				result = term
				return nil
			})
			return result, err
		})})
	}
	return all
}

func newTestResult(result *tester.Result, trace []*topdown.Event) TestResult {
	r := TestResult{
		Package: strings.TrimPrefix(result.Package, "data."), Name: result.Name, Skipped: result.Skip, Output: string(result.Output),
		File: result.Location.File, Row: result.Location.Row,
	}
	switch {
	case result.Error != nil:
		r.Failure = &TestFailure{Err: testError(result.Error)}
	case result.Fail:
		r.Failure = newTestFailure(result, trace)
	}
	return r
}

func testError(err error) error {
	var failure *topdown.Error
	switch {
	case topdown.IsCancel(err):
		return fmt.Errorf("took longer than %v", testTimeout)
	case !errors.As(err, &failure) || failure.Location == nil:
		return err
	}
	fault := &SourceError{File: failure.Location.File, Row: failure.Location.Row, Code: failure.Code, Reason: failure.Message}
	if written := sandbox.Written(fault.Reason); written != fault.Reason {
		fault.Reason = strings.TrimPrefix(written, fmt.Sprintf("%s:%d: %s: ", fault.File, fault.Row, fault.Code))
	}
	return fault
}

// newTestFailure returns the failed expression that is furthest down in the test. The last one in the trace is
// not the cause, because after a failure OPA backtracks to earlier expressions.
func newTestFailure(result *tester.Result, trace []*topdown.Event) *TestFailure {
	failure := &TestFailure{}
	for _, event := range trace {
		expr, ok := event.Node.(*ast.Expr)
		if !ok || event.Op != topdown.FailOp || event.Location == nil || event.Location.File != result.Location.File || event.Location.Row < failure.Row {
			continue
		}
		*failure = TestFailure{Row: event.Location.Row}
		if expr.IsEquality() && !expr.Negated {
			failure.Left, failure.Right = written(expr.Operand(0), event), written(expr.Operand(1), event)
		}
		if failure.Left == "" || failure.Right == "" {
			failure.Left, failure.Right = "", ""
		}
	}
	return failure
}

// written returns a term's value as text, or "" if the value is unknown.
func written(term *ast.Term, event *topdown.Event) string {
	if _, ok := term.Value.(ast.Var); ok && event.Locals != nil {
		value := event.Locals.Get(term.Value)
		if value == nil {
			return ""
		}
		return value.String()
	}
	if !term.IsGround() {
		return ""
	}
	if _, ok := term.Value.(ast.Ref); ok {
		return ""
	}
	return term.String()
}
