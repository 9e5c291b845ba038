package rego_test

import (
	"fmt"
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// Trap 13: what OPA's issues report of plans that differ from topdown, each by its number. want is the outcome with both
// engines; a want that ends in * is how it begins.
var engineIssues = []struct{ name, rules, want string }{
	{"3031 two else branches that differ", `v := 1 if { d.missing } else := 2

v := 3 if { d.missing } else := 4

out := [v]`, "eval_conflict_error*"},
	{"3305 a negated rule that a variable selects", `h.p := 7

out := [k | some k in ["p", "q"]; not data.taffrail.user.own.h[k]]`, "q"},
	{"5264 a number is not the text that is a key", `h["1"] := "text"

out := array.concat([x | some i in ["1", d.map.a]; x := data.taffrail.user.own.h[i]], [x | some i in ["1", d.map.a]; x := input.object.data.digits[i]])`, "digit | text"},
	{"5276 a function whose last result is the expected one", `f(x) := y if {
	some o in ["1", "2"]
	y := o == x
}

out := [1 | f("2")]`, "eval_conflict_error*"},
	{"5276 a function whose first result is the expected one", `f(x) := y if {
	some o in ["1", "2"]
	y := o == x
}

out := [1 | f("1")]`, "eval_conflict_error*"},
	{"5276 a function whose results are equal", `f(x) := y if {
	some o in ["1", "2"]
	y := o != x
}

out := [1 | f("3")]`, "1"},
	{"5964 rules whose references overlap", `a.b.c := "c"

a[x].e := y if { x := "b"; y := "e" }

a[x] := y if { x := "f"; y := "g" }

out := [v | some k in ["b", "f", "g"]; v := data.taffrail.user.own.a[k]]`, `g | {"c": "c", "e": "e"}`},
	{"6304 the input as a part of it", `out := array.concat([k | k := input.foo.kind with input.foo as input], ["none" | not deep])

deep if input.foo.foo with input.foo as input`, "ConfigMap | none"},
	{"6304 a part of the input as a part of it", `out := array.concat([w | w := input.object.data.x.data.x with input.object.data.x as input.object], ["none" | not deep])

deep if input.object.data.x.data.x.data with input.object.data.x as input.object`, "none | swordfish"},
	{"6304 what has a part of the input as a part of it", `out := [[count(y) - count(x), count(z)] |
	x := json.marshal(input.object)
	y := json.marshal(input.object) with input.object.data.x as {"a": input.object}
	z := json.marshal(input.object.new) with input.object.new as object.union(input.object.data.map, {})
]`, "[*"},
	{"6304 the input after a part of it was replaced", `out := [[a, b, c] |
	a := object.get(input.object, "foo", "none")
	b := input.object.foo with input.object.foo as 1
	c := object.get(input.object, "foo", "none")
]`, `["none", 1, "none"]`},
	{"7399 a rule with a variable next to one without", `h.allow[action].something if action := "show"

h.allow.see.something_else if true

h.other.see.stuff if true

out := [x | first := "allow"; x := data.taffrail.user.own.h[first].see.something_else]`, "true"},
	{"8392 what is undefined in a negated call", `out := [x | some x in ["a", "x"]; not startswith(upper(d[x]), "A")]`, "a | x"},
	{"8392 what is undefined in a negated comparison", `out := [x | some x in ["x", "y"]; not input.object.data[x].deep == input.object.none]`, "x | y"},
	{"8392 what fails in a negated call", `out := [1 | not to_number(lower(d.x)) == 1]`, "eval_builtin_error*"},
	{"8392 a comprehension in a negated body", `out := [x | some x in ["alpha", "nu"]; not { count([w | some w in d.words; w == x]) > 0 }]`, "nu"},
	{"8392 a negated body in another one", `out := [x | some x in ["alpha", "nu"]; not { not { some w in d.words; w == x } }]`, "alpha"},
	{"8392 every in a negated body", `out := [x | some x in [1, 2, 5]; not { every w in d.words { count(w) > x } }]`, "5"},
	{"8392 with in a negated body", `out := [x | some x in [1, 2]; not { input.object.data.y == x with input.object.data.y as 2 }]`, "1"},
	{"8392 a negated rule of several bodies", `odd(x) if x % 2 == 1

odd(x) if x == 4

out := [x | some x in [1, 2, 3, 4]; not odd(x)]`, "2"},
}

func TestEngineTrap13IssuesOfOPA(t *testing.T) {
	for _, issue := range engineIssues {
		t.Run(issue.name, func(t *testing.T) { sameOutcome(t, prints(issue.rules), issue.want) })
	}
}

func sameOutcome(t *testing.T, body, want string) {
	t.Helper()
	for _, engine := range engines {
		got := outcome(t, engine, body)
		if begin, cut := strings.CutSuffix(want, "*"); got != want && !(cut && strings.Contains(got, begin)) {
			t.Errorf("%s: got %s, want %s", engine, got, want)
		}
	}
}

// Trap 13, issue 6304: what a Policy replaces in the input by `with` is not there for others.
func TestEngineTrap13WithIsOfOnePolicy(t *testing.T) {
	for _, engine := range engines {
		results := decideWith(t, engine, withUsers(t, map[string]string{
			"b-writer": `deny contains {"msg": "replaced", "path": "p"} if input.object.foo == 1 with input.object.foo as 1`,
			"c-reader": `deny contains {"msg": "seen", "path": "p"} if input.object.foo`,
		}), configMap(engineData))
		if writer, reader := results["b-writer"], results["c-reader"]; len(writer.Violations) != 1 || reader.Err != nil || len(reader.Violations) != 0 {
			t.Errorf("%s: got %+v", engine, results)
		}
	}
}

// Trap 13, issue 4704: a plan has no index of rules. Alternatives are tried one after another, and a rule is evaluated that
// the index of topdown leaves out.
func TestEngineTrap13ThereIsNoIndex(t *testing.T) {
	body := prints(`f(x) := "one" if x == 1

f(x) := y if {
	y := to_number(d.x)
	x == 2
}

out := [f(1)]`)
	if topdown := outcome(t, rego.EngineTopdown, body); topdown != "one" {
		t.Errorf("topdown: %s", topdown)
	}
	if compiled := outcome(t, rego.EngineCompiled, body); !strings.Contains(compiled, "eval_builtin_error") {
		t.Errorf("compiled: %s", compiled)
	}

	var rules strings.Builder
	const alternatives = 500
	for i := range alternatives {
		fmt.Fprintf(&rules, "allowed if d.x == \"word-%d\"\n\n", i)
	}
	catalog := withUsers(t, map[string]string{"own": prints(rules.String() + "out := [1 | not allowed]")})
	program, err := rego.Compile(catalog, []rego.Instance{{Policy: "own"}})
	if err != nil {
		t.Fatal(err)
	}
	var used rego.Usage
	results, err := program.WithUsage(func(_ string, u rego.Usage) { used = u }).Evaluate(t.Context(), configMap(engineData), []int{0}, rego.Deny)
	if err != nil || results[0].Err != nil || len(results[0].Violations) != 1 {
		t.Fatalf("got %+v, %v", results, err)
	}
	if used.Steps > 10*alternatives {
		t.Errorf("%d alternatives take %d steps", alternatives, used.Steps)
	}
}

// whatIsUnread is what TestEnginesReadWhatIsLeftUnread reads of an object.
const whatIsUnread = `1
1.5
["kubectl"]
["managedFields", "name"]
array
true
{"a": 1, "managedFields": [{"manager": "kubectl", "n": 1.5, "none": null}], "name": "x"}
{"managedFields": [{"manager": "kubectl", "n": 1.5, "none": null}], "name": "x"}
{"managedFields":[{"manager":"kubectl","n":1.5,"none":null}],"name":"x"}
{"manager": "kubectl", "n": 1.5, "none": null}
{{"managedFields": [{"manager": "kubectl", "n": 1.5, "none": null}], "name": "x"}}`

// What is left unread of an object is there for policies that read it, in any way.
func TestEnginesReadWhatIsLeftUnread(t *testing.T) {
	body := prints(`out := array.concat([
	json.marshal(input.object.metadata),
	[name | some name, _ in input.object.metadata],
	[f | f := input.object.metadata[_][_].manager],
	object.get(input.object, ["metadata", "managedFields", 0, "n"], "none"),
	count(input.object.metadata.managedFields), type_name(input.object.metadata.managedFields), is_array(input.object.metadata.managedFields),
	sprintf("%v", [input.object.metadata]),
	input.object.metadata.managedFields == [{"manager": "kubectl", "n": 1.5, "none": null}],
	{input.object.metadata, {"managedFields": [{"manager": "kubectl", "n": 1.5, "none": null}], "name": "x"}},
	object.union({"a": 1}, input.object.metadata),
	every_one,
], [m | some m in input.object.metadata.managedFields])

every_one if every m in input.object.metadata.managedFields { m.manager == "kubectl" }`)
	for _, engine := range engines {
		decoded := 0
		r := configMap(engineData)
		r.Object["metadata"] = map[string]any{"name": "x", "managedFields": decision.NewUnread("text", func(string) any {
			decoded++
			return []any{map[string]any{"manager": "kubectl", "n": 1.5, "none": nil}}
		})}
		catalog := withUsers(t, map[string]string{"own": body, "other": `deny contains {"msg": input.object.metadata.name, "path": "p"} if input.object.data.x`})
		results := decideWith(t, engine, catalog, r)
		var messages []string
		for _, v := range results["own"].Violations {
			messages = append(messages, v.Message)
		}
		if got := strings.Join(messages, "\n"); got != whatIsUnread {
			t.Errorf("%s: got %v\n%s", engine, results["own"].Err, got)
		}
		if decoded != 1 {
			t.Errorf("%s: decoded %d times", engine, decoded)
		}
	}
}
