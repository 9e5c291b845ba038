package compile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"

	"taffrail.dev/webhook/rego/sandbox"
)

// programOf compiles data.p.out of a module.
func programOf(tb testing.TB, rules string, options Options) *Program {
	tb.Helper()
	module, err := ast.ParseModuleWithOpts("p.rego", "package p\n\n"+rules, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		tb.Fatal(err)
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(map[string]*ast.Module{"p.rego": module}); compiler.Failed() {
		tb.Fatal(compiler.Errors)
	}
	plan, err := NewPlan(tb.Context(), compiler, "data.p.out")
	if err != nil {
		tb.Fatal(err)
	}
	program, err := plan.Compile(options, "data.p.out")
	if err != nil {
		tb.Fatal(err)
	}
	return program
}

// many is an object that Go goes through in another order each time.
func many(n int) map[string]any {
	members := map[string]any{}
	for i := range n {
		members[fmt.Sprint("name-", i*i)] = strings.Repeat("x", i%97)
	}
	return map[string]any{"many": members, "nested": map[string]any{"a": members, "b": []any{members, nil, 1.5}}}
}

// What an evaluation uses, and where it stops, does not depend on the order in which Go goes through a map.
func TestStepsAreTheSameEachTime(t *testing.T) {
	program := programOf(t, `out contains sprintf("%v %v", [name, count(seen)]) if {
	some name, text in input.many
	regex.match("x{3,9}$", text)
	seen := {x | some x in [input.nested, text, {"k": input.nested.a}]}
}`, Options{})
	evaluate := func(budget Budget) (Usage, string) {
		m := &Machine{}
		value, err := m.Evaluate(t.Context(), program, "data.p.out", many(60), budget)
		return m.Used(), fmt.Sprint(value, err)
	}
	all, result := evaluate(unlimited)
	for range 10 {
		if again, other := evaluate(unlimited); again != all || result != other {
			t.Fatalf("used %v, and then %v", all, again)
		}
	}
	for steps := int64(1); steps < all.Steps; steps += 1 + all.Steps/50 {
		first, stopped := evaluate(Budget{Steps: steps, Bytes: unlimited.Bytes})
		for range 3 {
			if again, _ := evaluate(Budget{Steps: steps, Bytes: unlimited.Bytes}); again != first {
				t.Fatalf("stopped after %v, and then after %v", first, again)
			}
		}
		if first.Steps <= steps || !strings.Contains(stopped, "used more than") {
			t.Errorf("%d steps: used %v: %s", steps, first, stopped)
		}
	}
	if used, stopped := evaluate(Budget{Steps: unlimited.Steps, Bytes: all.Bytes - 1}); used.Bytes != all.Bytes || !strings.Contains(stopped, "bytes") {
		t.Errorf("used %v: %s", used, stopped)
	}
	if used, _ := evaluate(all); used != all {
		t.Errorf("what is used is not enough: %v", used)
	}
}

func TestTheErrorSaysWhatWasUsed(t *testing.T) {
	program := programOf(t, `out := [1 | some x in numbers.range(1, 9999); some y in numbers.range(1, 9999); x * y == -1]`, Options{})
	m := &Machine{}
	_, err := m.Evaluate(t.Context(), program, "data.p.out", nil, DefaultBudget)
	stopped := new(BudgetError)
	if !errors.As(err, &stopped) || !errors.Is(err, ErrBudget) || stopped.Limit != 1_000_000 || stopped.Used != m.Used().Steps || err.Error() != "used more than 1,000,000 steps" {
		t.Errorf("got %+v", err)
	}
}

// A range is counted as a whole before it is made, also one whose bounds are no int64.
func TestRangesAreCountedBeforeTheyAreMade(t *testing.T) {
	for _, bound := range []string{"2000000", "2e6"} {
		program := programOf(t, `out := count(numbers.range(input.from, `+bound+`))`, Options{})
		m := &Machine{}
		_, err := m.Evaluate(t.Context(), program, "data.p.out", map[string]any{"from": int64(1)}, Budget{Steps: unlimited.Steps, Bytes: 1 << 20})
		if stopped := new(BudgetError); !errors.As(err, &stopped) || stopped.Resource != Bytes || stopped.Used < 2*slot*1_999_999 {
			t.Errorf("%s: got %+v", bound, err)
		}
	}
}

// An evaluation ends soon after its request.
func TestAnEvaluationEndsWithItsContext(t *testing.T) {
	program := programOf(t, `out := [1 | some x in numbers.range(1, 9999); some y in numbers.range(1, 9999); x * y == -1]`, Options{})
	ended := errors.New("nobody waits")
	ctx, cancel := context.WithCancelCause(t.Context())
	m := &Machine{}
	m.OnceHeavy(Budget{Steps: 50_000, Bytes: unlimited.Bytes}, func() { cancel(ended) })
	_, err := m.Evaluate(ctx, program, "data.p.out", nil, unlimited)
	if used := m.Used().Steps; !errors.Is(err, ended) || used < 50_000 || used > 50_000+3*pollEvery {
		t.Errorf("got %v after %d steps", err, used)
	}
}

// OnceHeavy counts bytes as well, and calls once.
func TestHeavyEvaluationsAreTold(t *testing.T) {
	program := programOf(t, `out := [concat("", ["x", sprintf("%d", [x])]) | some x in numbers.range(1, input.n)]`, Options{})
	calls := 0
	m := &Machine{}
	for n, want := range map[int64]int{10: 0, 5000: 1} {
		calls = 0
		m.OnceHeavy(Budget{Steps: unlimited.Steps, Bytes: 100_000}, func() { calls++ })
		if _, err := m.Evaluate(t.Context(), program, "data.p.out", map[string]any{"n": n}, unlimited); err != nil || calls != want {
			t.Errorf("%d: called %d times, %v", n, calls, err)
		}
	}
}

// Trap 12: patterns that are not constants are remembered, but not all of them; and what they cost does not depend on it.
func TestPatternsAreRememberedWithinLimits(t *testing.T) {
	program := programOf(t, `out if {
	regex.match(input.regex, "x")
	glob.match(input.glob, [], "x")
}`, Options{})
	m := &Machine{}
	used := func(i int) Usage {
		name := fmt.Sprintf("%06d", i)
		if _, err := m.Evaluate(t.Context(), program, "data.p.out", map[string]any{"regex": "x|" + name, "glob": "x*" + name}, DefaultBudget); err != nil {
			t.Fatal(err)
		}
		return m.Used()
	}
	first := used(0)
	for i := range 5000 {
		if again := used(i); again != first {
			t.Fatalf("%d: used %v, and at first %v", i, again, first)
		}
		if m.patterns.size > maxPatterns {
			t.Fatalf("%d: patterns of %d instructions are remembered", i, m.patterns.size)
		}
	}
	if used(4999); len(m.patterns.regexes) < 50 {
		t.Errorf("only %d are remembered", len(m.patterns.regexes))
	}
	if again := used(4999); again != first {
		t.Errorf("used %v for a pattern that is remembered", again)
	}
}

// All ways in which matches are looked for find what Go finds.
func TestMatchesAreThoseOfGo(t *testing.T) {
	texts := []string{"", "a", "aXbXXc", strings.Repeat("ab ", 40), strings.Repeat("a", 300), strings.Repeat("a\nb", 500), "añb…" + strings.Repeat("é", 90)}
	for pattern, plain := range map[string]bool{
		"X": true, "X*": true, "[a-z]+": true, "(a)(b)": true, "a.*b": true, "": true, "^a": true, `\bb`: true, "é+": true,
		"x*?": false, "a|b": true, "ab|cd": false, "(ab)*": false, "(a.*b|c)": false, "a?": false, "a{2,3}": false, "(?s).*": true,
	} {
		r := newRegex(pattern)
		if r.plain != plain {
			t.Errorf("%s: plain is %v", pattern, r.plain)
		}
		for _, text := range texts {
			for _, most := range []int64{-1, 0, 1, 2, 1000} {
				m := &Machine{}
				m.begin(t.Context(), unlimited)
				if got, want := m.matches(r, text, most), regexp.MustCompile(pattern).FindAllStringSubmatchIndex(text, int(most)); !gocmp.Equal(got, want) {
					t.Errorf("%s in %.20q, %d: got %v, want %v", pattern, text, most, got, want)
				}
			}
		}
	}
}

// Every function that policies may call is implemented, and no other.
func TestImplementationsAreOfTheAllowedFunctions(t *testing.T) {
	allowed := map[string]bool{}
	for _, b := range sandbox.Capabilities().Builtins {
		allowed[b.Name] = true
	}
	for name := range allowed {
		if implementations[name] == nil && !slices.Contains([]string{"eq", "assign"}, name) { // the planner takes these apart
			t.Errorf("%s is allowed and not implemented", name)
		}
	}
	for name := range implementations {
		if !allowed[name] && !slices.Contains([]string{"set_diff"}, name) {
			t.Errorf("%s is implemented and not allowed", name)
		}
	}
}

func TestPlansThatAreNestedTooDeeplyAreRefused(t *testing.T) {
	block := &ir.Block{}
	for range maxNesting {
		block = &ir.Block{Stmts: []ir.Stmt{&ir.BlockStmt{Blocks: []*ir.Block{block}}}}
	}
	plan := readPlan(&ir.Policy{Static: &ir.Static{}, Funcs: &ir.Funcs{Funcs: []*ir.Func{
		{Name: "f", Path: []string{"g0", "p", "out"}, Params: []ir.Local{0, 1}, Return: 2, Blocks: []*ir.Block{block}},
	}}})
	if _, err := plan.Compile(Options{}, "data.p.out"); err == nil || !strings.Contains(err.Error(), "nested 2001 deep") {
		t.Errorf("got %v", err)
	}
}

// A machine that waits for its next request holds nothing of the last one.
func TestMachinesForgetRequests(t *testing.T) {
	program := programOf(t, `out := {x | some x in input.many; f(x)}

f(x) if count({y | some y in [x, "z"]; regex.match("[a-z]", y); regex.match("[b-z]", y)}) > 0`, Options{})
	machines := &Machines{}
	m := machines.Get()
	if _, err := m.Evaluate(t.Context(), program, "data.p.out", many(50), DefaultBudget); err != nil {
		t.Fatal(err)
	}
	machines.Put(m)
	for i, held := range slices.Concat(m.stack, m.memory[:cap(m.memory)], m.found[:cap(m.found)]) {
		if held != nil {
			t.Errorf("%d: %v is held", i, held)
		}
	}
	for _, name := range m.lent[:cap(m.lent)] {
		if name != "" {
			t.Errorf("the name %q is held", name)
		}
	}
	if key := m.key[:cap(m.key)]; len(bytes.Trim(key, "\x00")) > 0 {
		t.Errorf("the key %q is held", key)
	}
	if len(m.results) > 0 || m.ctx != nil || m.onHeavy != nil {
		t.Errorf("something is held: %+v", m.results)
	}
}

// A constant is computed when a policy is compiled, and its parameters are constants.
func TestParametersAreFolded(t *testing.T) {
	rules := `limits := {name: twice | some name, limit in input.parameters.limits; twice := limit * 2}

out := limits.b if input.parameters.on`
	parameters := map[string]any{"limits": map[string]any{"a": int64(1), "b": int64(20)}, "on": true}
	folded := programOf(t, rules, Options{Parameters: parameters})
	if out := folded.rules["data.p.out"]; out.constant == nil || out.constant.value != int64(40) {
		t.Errorf("got %+v", out.constant)
	}
	if out := programOf(t, rules, Options{}).rules["data.p.out"]; out.constant != nil {
		t.Errorf("got %+v", out.constant)
	}
	replaced := programOf(t, "use := input.parameters.on\n\nout := v if v := use with input.parameters.on as 7", Options{Parameters: parameters})
	if value, err := new(Machine).Evaluate(t.Context(), replaced, "data.p.out", map[string]any{"parameters": parameters}, DefaultBudget); value != int64(7) || err != nil {
		t.Errorf("got %v, %v", value, err)
	}
}

// A machine that has evaluated a large object keeps no room for another one, which all that follow would have to clear.
func TestMachinesShrink(t *testing.T) {
	program := programOf(t, `out := count({name | some name, text in input.many; f(name, text)}) + count(input.nested[input.name])

f(x, y) if {
	count([1 | some a in numbers.range(1, 20); some b in numbers.range(1, 20); a * b == 400; regex.match("[a-z]", x)]) > 0
	y != x
}`, Options{})
	machines := &Machines{}
	m := machines.Get()
	input := many(20 * maxIdle)
	input["name"] = "a"
	if _, err := m.Evaluate(t.Context(), program, "data.p.out", input, unlimited); err != nil {
		t.Fatal(err)
	}
	if cap(m.lent) < maxIdle || len(m.results) < maxIdle {
		t.Fatalf("%d names and %d results are too few for this test", cap(m.lent), len(m.results))
	}
	machines.Put(m)
	if cap(m.lent) > maxIdle || m.results != nil {
		t.Errorf("room for %d names and %d results is held", cap(m.lent), len(m.results))
	}
}
