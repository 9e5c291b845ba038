package rego_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/compile"
)

// engineData is the data of the object that the traps below are about.
var engineData = map[string]any{
	"x": "swordfish", "empty": "", "digits": map[string]any{"1": "digit"}, "list": []any{int64(3), int64(1), "b", nil, true, 1.5, []any{}}, "nothing": nil, "no": false,
	"map":   map[string]any{"b": int64(2), "a": int64(1), "c": map[string]any{"d": nil}},
	"first": []any{"a/b", "a"}, "second": []any{"c", "b/c"},
	"numbers": []any{int64(7), 0.1, 1e6, 1e300, int64(-9223372036854775808), int64(9223372036854775807)},
	"words":   []any{"beta", "alpha", "gamma", "alpha", "delta", "zeta", "eta", "theta", "iota", "kappa", "lambda"},
}

// prints makes a policy of rules that define out, each of whose elements is a finding.
func prints(rules string) string {
	return "import future.keywords.not\n\nd := input.object.data\n\n" + rules + "\n\ndeny contains {\"msg\": sprintf(\"%v\", [x]), \"path\": \"p\"} if some x in out"
}

// outcome is what a policy makes of engineData: its messages, or its error.
func outcome(t *testing.T, engine rego.Engine, body string) string {
	t.Helper()
	result := decideWith(t, engine, withUsers(t, map[string]string{"own": body}), configMap(engineData))["own"]
	if result.Err != nil {
		return result.Err.Error()
	}
	var messages []string
	for _, v := range result.Violations {
		messages = append(messages, v.Message)
	}
	return strings.Join(messages, " | ")
}

// engineTraps are policies for which an engine that evaluates OPA's plans easily differs from topdown. want is the outcome
// with both engines; * stands for any that is not empty.
var engineTraps = []struct{ name, rules, want string }{
	{"rules that are looked up by names with a slash in them", `exempt["a/b"].c := "1"

exempt.a["b/c"] := "2"

out := [data.taffrail.user.own.exempt[x][y] | some x in d.first; some y in d.second]`, "1 | 2"},
	{"2 locals: rules use the same numbers", `f(x) := y if { x == 1; y := "one" }

f(x) := z if { x == 2; [z, _] := ["two", x] }

f(x) := sprintf("%v-%v", [a, b]) if { x == 3; a := x + 1; b := a + 1 }

out := [f(1), f(2), f(3)]`, "4-5 | one | two"},
	{"3 early exit: what fails after a rule that holds is not noticed", `f(x) if x == 1

f(x) if to_number(x) == 2

f(x) if to_number(d.x) == x

out := [1 | f(1)]`, "1"},
	{"3 early exit: within the body of a rule", `found if {
	some x in d.list
	x == 3
	true
}

found if {
	some x in ["1", "a"]
	to_number(x) == 1
}

out := [1 | found]`, "1"},
	{"3 early exit: a number, null and a collection as the result", `five := 5 if {
	some x in ["1", "a"]
	to_number(x) == 1
}

nothing := null if {
	some x in ["1", "a"]
	to_number(x) == 1
}

many := {"a": [1, {2}]} if {
	some x in ["1", "a"]
	to_number(x) == 1
} else := {"a": [1, {2}]} if to_number(d.x) == 1

out := [five, nothing, many]`, "*"},
	{"3 early exit: not for results that are not written", `five := y if {
	y := 5
	some x in ["1", "a"]
	to_number(x) == 1
}

out := [five]`, "*"},
	{"3 early exit: what fails after the rules' results differ is noticed", `f(x) := 1 if x == 1

f(x) := to_number(d.x) if x == 1

out := [f(1)]`, "*"},
	{"3 early exit: a negated body is evaluated to its end", `out := [1 | not {
	some x in ["1", "a"]
	to_number(x) == 1
}]`, "*"},
	{"3 early exit: every stops at the first that fails", `out := [1 | not every_number]

every_number if every x in ["2", "a"] { x == to_number(x) }`, "1"},
	{"5 breaks: every in every in not", `out := [x |
	some x in d.list
	not { every y in d.words { every z in ["a", "e"] { contains(y, z) } } }
	every y in d.words { count(y) > 2 }
	x != true
]`, "*"},
	{"5 breaks: a scan in a scan goes on", `out := [[x, y] | some x in [1, 2, 3]; some y in [1, 2, 3]; x < y; not x + y == 4]`, "*"},
	{"5 breaks: alternatives", `g(x) := "small" if x < 2 else := "two" if x == 2 else := "large" if x < 100 else := "huge"

out := [g(x) | some x in [1, 2, 3, 1000]]`, "*"},
	{"5 with: a failing one fails its expression", `h if input.object.data.y == 1

out := array.concat([1 | h with input.object.data.y as 1], [2 | h with input.object.data.y as 2])`, "1"},
	{"5 with: what was remembered before and after", `out := [w1, w2, w3] if {
	w1 := sprintf("1 %v", [look])
	w2 := sprintf("2 %v", [look]) with input.object.data.y as 7
	w3 := sprintf("3 %v", [look])
}

look := object.get(input.object.data, "y", "none")`, "1 none | 2 7 | 3 none"},
	{"5 with: over what is no object", `look := [input.object.data.x.deep, input.object.new.a.b]

out := [o | o := look with input.object.data.x.deep as 1 with input.object.new.a.b as 2]`, "*"},
	{"6 undefined, null and false", `out := array.concat(
	[k | some k in ["nothing", "no", "empty", "missing"]; d[k]],
	array.concat([k | some k in ["nothing", "no", "empty", "missing"]; not d[k]], [k | some k in ["nothing", "no"]; d[k] == null]),
)`, "*"},
	{"6 a local keeps nothing of the last iteration", `out := [x | some x in [1, 2, 3, 4]; not { x % 2 == 0; some y in [x]; y > 0 }]`, "1 | 3"},
	{"7 order: of members, elements and texts", `out := [
	concat(",", {"b", "c", "a"}), concat(",", [k | some k, _ in d.map]), [v | some v in {3, "a", null, 1.5, true, [], {}}],
	[w | some w in {x | some x in d.words}], json.marshal(d.map), sprintf("%v", [{x | some x in d.words}]),
]`, "*"},
	{"8 numbers: overflow and inexact division", `out := [x |
	some n in d.numbers
	some m in [3, -1, 2, 0.5]
	some x in [n + m, n - m, n * m, n / m, round(n), ceil(n), floor(n), abs(n)]
]`, "*"},
	{"8 numbers: as they are written", `out := [
	sprintf("%d %v %s %.2f", [1, 1.0, "x", 2]), sprintf("%v", [[1.50, 1e3, 12345678901234567890]]), to_number("007"), to_number("1.0"), to_number("-0"),
	format_int(255, 16), 1.0 == 1, {1, 1.0, to_number("1.00")}, 10 % 3, sum([1, 2.5, 3]), product([2, 0.5]), max([1, 1.0]), json.unmarshal("[1.0, 1e2]"),
]`, "*"},
	{"8 numbers: keys that are equal", `out := [{1: "a", 2: "b"}[to_number("1.0")], [10, 20, 30][to_number("1.0")], object.get({1: "x"}, to_number("1.0"), "none")]`, "*"},
	{"9 conflicts: two values of a rule", `v := 1 if d.x

v := 2 if d.x

out := [v]`, "*"},
	{"9 conflicts: two values of a key", `out := [{k: v | some k, v in ["a", "b"]; true} , {"k": v | some v in [1, 2]}]`, "*"},
	{"9 conflicts: in a partial object", `m[k] := v if { some k, v in {"a": 1, "b": 2} }

m[k] := 2 if k := "a"

out := [m]`, "*"},
	{"9 conflicts: a part of a value of another rule, at either line", `m[k] := {"b": 1} if k := "a"

m[k].c := 2 if { k := "a"; not d.missing }

out := [m]`, "*"},
	{"9 defaults", `default v := "default"

v := "set" if d.missing

default f(_) := "default"

f(x) := "set" if x == 1

out := [v, f(1), f(2)]`, "*"},
	{"13 rules that a variable selects", `h.a := 1

h.b := 2 if d.missing

h.c.d := 3

out := array.concat([[k, v] | some k, v in h], [h[k] | some k in ["a", "b"]])`, "*"},
	{"13 partial objects of sets", `m[k] contains v if { some k in ["a", "b"]; some v in [k, "x"] }

out := [m, m.a]`, "*"},
	{"values that nobody has made", `out := [object.union({"a": {"b": 1}}, {"a": {"c": 2}}), object.union_n([{"a": {"b": 2}}, {"a": 4}, {"a": {"c": 3}}]), object.remove({"a": 1, "b": 2}, ["a"]),
	object.filter({"a": 1, "b": 2}, {"a"}), object.keys({"a": 1}), object.subset({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}), array.flatten([1, [2, [3]]]),
	array.reverse([1, 2]), array.slice([1, 2, 3], 1, 9), union({{1}, {2}}), intersection({{1, 2}, {2}}), {1, 2} - {2}, {1} | {2}, {1, 2} & {2},
	indexof("añb", "b"), substring("añb", 1, 1), split("a,b", ","), replace("aXa", "a", "b"), strings.replace_n({"a": "b"}, "aa"), strings.reverse("añb"),
	trim("xax", "x"), upper("ß"), regex.split("[,;]", "a,b;c"), regex.replace("abc", "(b)", "<$1>"), regex.find_n("a.", "abacad", 2), glob.match("*.x", [], "a.x"),
	type_name(null), base64.decode("YQ=="), semver.compare("1.0.0", "1.0.1"), strings.any_prefix_match(["ab"], {"a", "x"}), strings.count("aaa", "a"),
	sort({3, 1, 2}), sort(["b", null, 1]), numbers.range(3, 1), count({1, 2}), $"a {d.x} b", 2 in [1, 2], "a" in {"k": "a"},
]`, "*"},
	{"failures: one for each kind of argument", `out := [1 | startswith(d.list, "a")]`, "*"},
	{"failures: at their line", `out := [x |
	some y in ["1"]
	x := to_number(y)
	to_number("z") == x
]`, "*"},
}

// Both engines find the same, in the same order and words, and fail with the same error at the same line.
func TestEngineTraps(t *testing.T) {
	for _, trap := range engineTraps {
		t.Run(trap.name, func(t *testing.T) {
			body := prints(trap.rules)
			topdown, compiled := outcome(t, rego.EngineTopdown, body), outcome(t, rego.EngineCompiled, body)
			if strings.HasSuffix(trap.name, "at either line") { // the planner sorts rules by the length of their names
				topdown, _, _ = strings.Cut(topdown, " at ")
				compiled, _, _ = strings.Cut(compiled, " at ")
			}
			if topdown != compiled {
				t.Errorf("topdown:  %s\ncompiled: %s", topdown, compiled)
			}
			if trap.want == "*" && compiled == "" || trap.want != "*" && trap.want != compiled {
				t.Errorf("got %q, want %q", compiled, trap.want)
			}
		})
	}
}

// Trap 1: what does not depend on the input is computed when a policy is compiled, but not for long.
func TestEngineTrap1FoldingHasABudget(t *testing.T) {
	began := time.Now()
	got := outcome(t, rego.EngineCompiled, prints(`many := numbers.range(1, 9999)

out := [1 | some x in many; some y in many; x * y == -1]`))
	if !strings.Contains(got, "used more than 1,000,000 steps") {
		t.Errorf("got %s", got)
	}
	t.Log(time.Since(began))
}

// Trap 4: a partial object is evaluated as a whole, whereas topdown evaluates what one key needs. So a failure of another
// key is noticed. Nothing else differs.
func TestEngineTrap4PartialObjectsAreEvaluatedWhole(t *testing.T) {
	body := prints(`m[k] := v if { some k in ["a"]; v := 1 }

m[k] := v if { some k in ["b"]; v := to_number(d.x) }

out := [m.a]`)
	if topdown := outcome(t, rego.EngineTopdown, body); topdown != "1" {
		t.Errorf("topdown: %s", topdown)
	}
	if compiled := outcome(t, rego.EngineCompiled, body); !strings.Contains(compiled, "eval_builtin_error at Policy/own:17") {
		t.Errorf("compiled: %s", compiled)
	}
}

// Trap 10: nothing that goroutines share is written to. Only the race detector can tell.
func TestEngineTrap10NothingSharedIsWritten(t *testing.T) {
	bodies := map[string]string{}
	for i, trap := range engineTraps {
		name := fmt.Sprintf("own-%d", i)
		bodies[name] = strings.ReplaceAll(prints(trap.rules), rego.UserPackage("own")+".", rego.UserPackage(name)+".")
	}
	catalog := withUsers(t, bodies)
	var bound []rego.Instance
	var all []int
	for i, policy := range catalog.Policies() {
		bound, all = append(bound, rego.Instance{Policy: policy.ID, Parameters: map[string]any{}}), append(all, i)
	}
	program, err := rego.Compile(catalog, bound)
	if err != nil {
		t.Fatal(err)
	}
	library, libraryInstances := wholeLibrary(t)
	deployment := chapterDeployment(t)
	delete(deployment["spec"].(map[string]any), "replicas")
	var results [4][]decision.Result
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() {
			r := configMap(engineData)
			for range 5 {
				found, err := program.Evaluate(t.Context(), r, all, rego.Both)
				if err != nil {
					t.Error(err)
				}
				more, err := library.Evaluate(t.Context(), admitted(t, deployment), libraryInstances, rego.Both)
				if err != nil {
					t.Error(err)
				}
				results[i] = append(found, more...)
			}
		})
	}
	group.Wait()
	for _, result := range results[1:] {
		if !slices.EqualFunc(result, results[0], func(a, b decision.Result) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
			t.Error("the goroutines found different things")
		}
	}
}

// Trap 11: a chain of functions that each call the next one twice ends at a budget, unless its results can be remembered.
func TestEngineTrap11ChainsOfCalls(t *testing.T) {
	chain := func(step string) string {
		var rules strings.Builder
		rules.WriteString("f0(x) := x + 1\n\n")
		for i := 1; i <= 40; i++ {
			fmt.Fprintf(&rules, "f%d(x) := "+step+"\n\n", i, i-1)
		}
		return prints(rules.String() + "out := [f40(d.map.a)]")
	}
	for _, engine := range engines {
		if got := outcome(t, engine, chain("f%[2]d(x) + f%[2]d(x)")); got != "2199023255552" {
			t.Errorf("%s: got %s", engine, got)
		}
	}
	if got := outcome(t, rego.EngineCompiled, chain("f%[2]d(x) + f%[2]d(x + count(input.object.data.empty) + 1)")); !strings.Contains(got, "used more than 1,000,000 steps") {
		t.Errorf("got %s", got)
	}
}

// A plan in which a policy selects its own rules by variables again and again would not end.
func TestAPolicyThatCannotBePlannedGetsTopdown(t *testing.T) {
	var rules strings.Builder
	for i := range 20 {
		fmt.Fprintf(&rules, "h.r%d := %d\n\n", i, i)
	}
	rules.WriteString("out := [1 |")
	for i := range 10 {
		fmt.Fprintf(&rules, "\n\tsome k%d; data.taffrail.user.own.h[k%d] == %d", i, i, i)
	}
	body := prints(rules.String() + "\n]")
	catalog := withUsers(t, map[string]string{"own": body, "fine": always})
	for name, want := range map[string]rego.Engine{"own": rego.EngineTopdown, "fine": rego.EngineCompiled} {
		policy, _ := catalog.Policy(name)
		if engine, err := policy.Engine(); engine != want || (err == nil) != (want == rego.EngineCompiled) {
			t.Errorf("%s: got %s, %v", name, engine, err)
		}
	}
	if got := outcome(t, rego.EngineCompiled, body); got != "1" {
		t.Errorf("got %s", got)
	}
}

// A Policy is stopped within its own budget, and what it has used is known.
func TestABudgetIsOfAnInstance(t *testing.T) {
	name, source := file("a-library", always)
	library, err := rego.Load(fstest.MapFS{name: source})
	if err != nil {
		t.Fatal(err)
	}
	catalog, bad := library.With(map[string]string{"own": user("own", prints(`out := [1 | some x in numbers.range(1, 500); x + count(d.x) == 10]`))})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	program, err := rego.Compile(catalog, []rego.Instance{{Policy: "own"}, {Policy: "own", Budget: rego.Budget{Steps: 700, Bytes: 1 << 20}}})
	if err != nil {
		t.Fatal(err)
	}
	var used []rego.Usage
	results, err := program.WithUsage(func(_ string, u rego.Usage) { used = append(used, u) }).Evaluate(t.Context(), configMap(engineData), []int{0, 1}, rego.Deny)
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Err != nil || len(results[0].Violations) != 1 || used[0].Steps < 1000 || used[0].Steps > 3000 {
		t.Errorf("got %+v, %+v", results[0], used)
	}
	stopped := new(compile.BudgetError)
	if !errors.As(results[1].Err, &stopped) || stopped.Limit != 700 || stopped.Used < 701 || stopped.Used > 720 || used[1].Steps != stopped.Used {
		t.Errorf("got %+v, %+v", results[1].Err, used)
	}
	if want := "used more than 700 steps"; rego.FailureReason(results[1].Err) != want {
		t.Errorf("got %s", rego.FailureReason(results[1].Err))
	}
}
