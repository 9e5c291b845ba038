package rego_test

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// withUsers returns a library with one policy that always denies, together with users' policies.
func withUsers(t *testing.T, bodies map[string]string) *rego.Catalog {
	t.Helper()
	modules := map[string]string{}
	for name, body := range bodies {
		modules[name] = user(name, body)
	}
	name, source := file("a-library", always)
	catalog, err := rego.Load(fstest.MapFS{name: source})
	if err != nil {
		t.Fatal(err)
	}
	more, bad := catalog.With(modules)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	return more
}

// engines are those that every trap is tried with.
var engines = []rego.Engine{rego.EngineCompiled, rego.EngineTopdown}

// decide evaluates every policy of a catalog with the engine that the webhook uses.
func decide(t *testing.T, catalog *rego.Catalog, r *decision.Request) map[string]decision.Result {
	t.Helper()
	return decideWith(t, rego.EngineCompiled, catalog, r)
}

func decideWith(t *testing.T, engine rego.Engine, catalog *rego.Catalog, r *decision.Request) map[string]decision.Result {
	t.Helper()
	var instances []rego.Instance
	var all []int
	for i, policy := range catalog.Policies() {
		instances, all = append(instances, rego.Instance{Policy: policy.ID, Parameters: map[string]any{}}), append(all, i)
	}
	p, err := rego.Compile(catalog, instances)
	if err != nil {
		t.Fatal(err)
	}
	results, err := p.WithEngine(engine).Evaluate(t.Context(), r, all, rego.Both)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]decision.Result{}
	for i, instance := range instances {
		named[instance.Policy] = results[i]
	}
	return named
}

// traps has policies that a user may write, each with its result when evaluated alone.
var traps = map[string]struct {
	body string
	// want is the error that is wrapped; nil accepts any.
	want error
}{
	"endless loop": {`many := numbers.range(1, 9999)

deny contains {"msg": "m", "path": "p"} if {
	some x in many
	some y in many
	some z in many
	x * y * z == -1
}`, compile.ErrBudget},
	"huge comprehension": {`many := numbers.range(1, 9999)

deny contains {"msg": "m", "path": "p"} if {
	all := {[x, y, "a text that takes some room"] | some x in many; some y in many}
	count(all) == 7
}`, nil},
	"long range":     {`deny contains {"msg": "m", "path": "p"} if count(numbers.range(1, 1000000000)) == 7`, sandbox.ErrTooLarge},
	"range of huge":  {`deny contains {"msg": "m", "path": "p"} if count(numbers.range(1, to_number("1e9999999"))) == 7`, sandbox.ErrTooLarge},
	"doubled text":   {doubling(`concat("", [t%[2]d, t%[2]d])`), compile.ErrBudget},
	"doubled hex":    {doubling(`hex.encode(t%[2]d)`), compile.ErrBudget},
	"doubled list":   {strings.Replace(doubling(`array.concat(t%[2]d, t%[2]d)`), `"text"`, "[1]", 1), sandbox.ErrTooLarge},
	"squared number": {strings.Replace(doubling(`t%[2]d * t%[2]d`), `"text"`, "12345", 1), sandbox.ErrTooLarge},
	"replaced text":  {doubling(`replace(t%[2]d, "t", "tttttttttttttttttttt")`), sandbox.ErrTooLarge},
	"replaced many":  {doubling(`strings.replace_n({"t": "tttttttttttttttttttt"}, t%[2]d)`), sandbox.ErrTooLarge},
	"replaced regex": {doubling(`regex.replace(t%[2]d, "(.*)", "$1$1$1$1$1")`), sandbox.ErrTooLarge},
	"padded text":    {`deny contains {"msg": sprintf("%999999999d", [1]), "path": "p"}`, sandbox.ErrTooLarge},
	"width given":    {`deny contains {"msg": sprintf("%*d", [999999999, 1]), "path": "p"}`, sandbox.ErrTooLarge},
	"repeated text":  {doubling(`sprintf("%%[1]s%%[1]s%%[1]s%%[1]s", [t%[2]d])`), sandbox.ErrTooLarge},
	"a template":     {doubling("$\"{t%[2]d}{t%[2]d}\""), compile.ErrBudget},
	"many parts":     {`deny contains {"msg": "m", "path": "p"} if count(split(replace(sprintf("%1000d", [1]), " ", sprintf("%1000d", [1])), "")) == 7`, sandbox.ErrTooLarge},
	"marshaled":      {sharing + `deny contains {"msg": json.marshal(a(input.kind)), "path": "p"}`, compile.ErrBudget},
	"written":        {sharing + `deny contains {"msg": sprintf("%v", [a(input.kind)]), "path": "p"}`, compile.ErrBudget},
	"as a finding":   {sharing + `deny contains {"msg": "m", "path": "p", "fix": a(input.kind)}`, compile.ErrBudget},
	"merged":         {sharing + `deny contains {"msg": "m", "path": "p"} if object.union({"a": a(input.kind)}, {"a": a(input.kind)})`, compile.ErrBudget},
	"huge exponent":  {`deny contains {"msg": "m", "path": "p"} if round(to_number("1e999999999")) == 7`, sandbox.ErrTooLarge},
	"compared":       {sharing + `deny contains {"msg": "m", "path": "p"} if a(1) == object.get({}, "z", a40(1))`, compile.ErrBudget},
	"unified":        {sharing + `deny contains {"msg": "m", "path": "p"} if a(1) = object.get({}, "z", a40(1))`, compile.ErrBudget},
	"conflict": {`value := 1 if input.object.data.x

value := 2 if input.object.data.x

deny contains {"msg": "m", "path": "p"} if value`, nil},
	"no number":        {`deny contains {"msg": "m", "path": "p"} if to_number(input.object.data.x) > 3`, nil},
	"texts as finding": {`deny contains "m"`, nil},
	"odd finding":      {`deny contains {"msg": 7, "path": "p"}`, nil},
	"huge finding":     {`deny contains {"msg": "m", "path": "p", "fix": [{"op": "add", "path": "/x", "value": numbers.range(1, 99999)}]}`, sandbox.ErrTooLarge},
}

// doubling returns a chain of rules, each twice the size of the previous.
func doubling(step string) string {
	var body strings.Builder
	body.WriteString("t0 := \"text\"\n\n")
	for i := 1; i <= 40; i++ {
		fmt.Fprintf(&body, "t%d := "+step+"\n\n", i, i-1)
	}
	body.WriteString(`deny contains {"msg": "m", "path": "p"} if count(t40) == 7`)
	if strings.Contains(step, " * ") {
		return strings.Replace(body.String(), "count(t40)", "t40", 1)
	}
	return body.String()
}

// sharing builds a value of 2^40 parts in 40 steps, using functions so that its type is unknown at compile
// time.
var sharing = func() string {
	var body strings.Builder
	body.WriteString("a0(_) := {\"leaf\": 1}\n\n")
	for i := 1; i <= 40; i++ {
		fmt.Fprintf(&body, "a%d(_) := [{\"l\": y}, y] if y := object.get({}, \"z\", a%d(1))\n\n", i, i-1)
	}
	body.WriteString("a(_) := a40(1)\n\n")
	return body.String()
}()

// Whatever a user's policy does, the library's and other users' policies still decide, and the culprit is
// named.
func TestWhatAUsersPolicyDoesIsItsOwnAffair(t *testing.T) {
	for _, engine := range engines {
		for name, trap := range traps {
			want := exhausted(engine, trap.want)
			if other, ok := compiledTraps[name]; ok && engine == rego.EngineCompiled {
				want = other
			}
			t.Run(string(engine)+"/"+name, func(t *testing.T) { ownAffair(t, engine, trap.body, want) })
		}
	}
}

// errDecided stands for no error.
var errDecided = errors.New("decided")

// compiledTraps are those that are no traps for the compiled engine, or others.
var compiledTraps = map[string]error{
	"merged":       errDecided, // arrays are not looked into
	"padded text":  errDecided, // Go refuses the width
	"width given":  errDecided,
	"huge finding": sandbox.ErrTooLarge,
	// No number has such an exponent.
	"huge exponent": nil, "range of huge": nil,
}

// exhausted returns what the compiled engine's errors wrap where topdown's wrap an error: one kind of budget takes the
// place of the limits of built-in functions.
func exhausted(engine rego.Engine, want error) error {
	if engine == rego.EngineCompiled && want != nil {
		return compile.ErrBudget
	}
	return want
}

func ownAffair(t *testing.T, engine rego.Engine, trap string, want error) {
	t.Helper()
	catalog := withUsers(t, map[string]string{"b-trap": trap, "c-other": always})
	results := decideWith(t, engine, catalog, configMap(map[string]any{"x": "swordfish"}))
	for _, policy := range []string{"a-library", "c-other"} {
		if result := results[policy]; result.Err != nil || len(result.Violations) != 1 {
			t.Errorf("%s was not decided: %+v", policy, result)
		}
	}
	var failed *rego.EvaluationError
	if err := results["b-trap"].Err; errors.Is(want, errDecided) {
		if err != nil || len(results["b-trap"].Violations) != 1 {
			t.Errorf("got %+v", results["b-trap"])
		}
	} else if !errors.As(err, &failed) || failed.Policy != "b-trap" || want != nil && !errors.Is(err, want) {
		t.Errorf("got %v", err)
	} else if strings.Contains(err.Error(), "swordfish") {
		t.Errorf("the error quotes the object: %v", err)
	} else {
		t.Log(err)
	}
}

// A comparison of two values with shared parts might never end, and could not be stopped.
func TestAComparisonThatDoesNotEndIsNotBegun(t *testing.T) {
	var body strings.Builder
	for _, name := range []string{"a", "b"} {
		fmt.Fprintf(&body, "%s0(_) := [1]\n\n", name)
		for i := 1; i <= 60; i++ {
			fmt.Fprintf(&body, "%[1]s%[2]d(_) := [y, y] if y := object.get({}, \"z\", %[1]s%[3]d(1))\n\n", name, i, i-1)
		}
	}
	body.WriteString(`deny contains {"msg": "m", "path": "p"} if count({a60(1), b60(1)}) == 1`)
	for _, engine := range engines {
		ownAffair(t, engine, body.String(), exhausted(engine, compile.ErrBudget))
	}
}

// The step at which an evaluation stops is the same on an idle machine and on a busy one.
func TestAPolicyStopsAtTheSameStepOnABusyMachine(t *testing.T) {
	stops := func() map[string]int64 {
		at := map[string]int64{}
		for _, engine := range engines {
			for name, trap := range traps {
				err := decideWith(t, engine, withUsers(t, map[string]string{"b-trap": trap.body}), configMap(map[string]any{"x": "swordfish"}))["b-trap"].Err
				if budget := new(compile.BudgetError); errors.As(err, &budget) {
					at[string(engine)+"/"+name] = budget.Used
				}
			}
		}
		return at
	}
	quiet := stops()
	if len(quiet) < 20 {
		t.Fatalf("only %v exhaust their budgets", quiet)
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			kept := [][]byte{}
			for {
				select {
				case <-done:
					return
				default:
					if kept = append(kept, make([]byte, 64<<10)); len(kept) > 100 {
						kept = nil
					}
				}
			}
		})
	}
	busy := stops()
	close(done)
	group.Wait()
	if !maps.Equal(quiet, busy) {
		t.Errorf("got %v, and on a busy machine %v", quiet, busy)
	}
}

// A Policy that exhausts its budget leaves that of others untouched, however they are bound, and the next
// request starts with a full one.
func TestABudgetIsOfOnePolicyAndOneRequest(t *testing.T) {
	catalog := withUsers(t, map[string]string{"b-trap": traps["endless loop"].body, "c-other": traps["endless loop"].body, "d-fine": always})
	for range 3 {
		results := decide(t, catalog, configMap(nil))
		for _, policy := range []string{"b-trap", "c-other"} {
			if err := results[policy].Err; !errors.Is(err, compile.ErrBudget) || !strings.Contains(err.Error(), "used more than 1,000,000 steps") {
				t.Errorf("%s: got %v", policy, err)
			}
		}
		if fine := results["d-fine"]; fine.Err != nil || len(fine.Violations) != 1 {
			t.Errorf("got %+v", fine)
		}
	}
}

// A policy may have more findings than are read, but nothing may hide behind that.
func TestFindingsOfAUsersPolicyAreCapped(t *testing.T) {
	body := `deny contains {"msg": sprintf("%d%s", [i, name]), "path": "data", "key": sprintf("%d", [i])} if {
	some i in numbers.range(1, 250)
	name := object.get(input.object.data, sprintf("%d", [i]), "")
}

deny contains {"msg": concat("", [x | some i in numbers.range(1, 5000); x := "é"]), "path": "p", "key": " first"}`
	catalog := withUsers(t, map[string]string{"b-many": body})
	keys := map[string]bool{}
	last := ""
	for _, data := range []map[string]any{{}, {"99": "another"}} {
		violations := decide(t, catalog, configMap(data))["b-many"].Violations
		if len(violations) != 101 {
			t.Fatalf("%d findings", len(violations))
		}
		for _, v := range violations {
			keys[fmt.Sprint(v.Key, v.Digest)] = true
			if len(v.Message) > 1100 || !utf8.ValidString(v.Message) {
				t.Errorf("a message of %d bytes", len(v.Message))
			}
			if strings.Contains(v.Message, "more findings") {
				last = v.Message
			}
		}
	}
	if want := "there are 151 more findings of this policy"; last != want || len(keys) != 102 {
		t.Errorf("got %q and %d keys", last, len(keys))
	}
}

// A name may be a keyword of Rego.
func TestAUsersPolicyIsEvaluatedWhateverItsName(t *testing.T) {
	for _, name := range []string{"contains", "if", "data", "input", "deny", "a-b-c"} {
		result := decide(t, withUsers(t, map[string]string{name: always}), configMap(nil))[name]
		if result.Err != nil || len(result.Violations) != 1 {
			t.Errorf("%s: %+v", name, result)
		}
	}
}

func TestUsersPoliciesUnderSeveralParameterSets(t *testing.T) {
	catalog := withUsers(t, map[string]string{
		"b-own": `deny contains {"msg": input.parameters.word, "path": "p"}`,
		"c-own": always,
	})
	p, err := rego.Compile(catalog, []rego.Instance{
		{Policy: "b-own", Parameters: map[string]any{"word": "one"}},
		{Policy: "a-library", Parameters: map[string]any{}},
		{Policy: "b-own", Parameters: map[string]any{"word": "two"}},
		{Policy: "c-own", Parameters: map[string]any{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	results, err := p.Evaluate(t.Context(), configMap(nil), []int{0, 1, 2, 3}, rego.Both)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"one", "always", "two", "always"} {
		if len(results[i].Violations) != 1 || results[i].Violations[0].Message != want {
			t.Errorf("instance %d: got %+v, want %q", i, results[i], want)
		}
	}
}

// Many concurrent requests may each exhaust a policy.
func TestUsersPoliciesUnderLoad(t *testing.T) {
	catalog := withUsers(t, map[string]string{"b-trap": traps["endless loop"].body, "c-other": always, "d-wrong": traps["conflict"].body})
	p, err := rego.Compile(catalog, []rego.Instance{{Policy: "a-library"}, {Policy: "b-trap"}, {Policy: "c-other"}, {Policy: "d-wrong"}})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			results, err := p.Evaluate(t.Context(), configMap(map[string]any{"x": true}), []int{0, 1, 2, 3}, rego.Both)
			if err != nil || len(results[0].Violations) != 1 || results[1].Err == nil {
				t.Errorf("got %+v, %v", results, err)
			}
		})
	}
	group.Wait()
}

// What a trap makes is counted before it is made, so that the memory of the process stays flat.
func TestTrapsMakeOnlySoMuch(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with the race detector, and is of one goroutine")
	}
	for name, trap := range traps {
		catalog := withUsers(t, map[string]string{"b-trap": trap.body})
		program, err := rego.Compile(catalog, []rego.Instance{{Policy: "b-trap"}})
		if err != nil {
			t.Fatal(err)
		}
		evaluate := func(r *decision.Request) uint64 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := program.Evaluate(t.Context(), r, []int{0}, rego.Deny); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		evaluate(configMap(nil)) // compiles it
		if made := evaluate(configMap(map[string]any{"x": "swordfish"})); made > 4*uint64(rego.DefaultBudget.Bytes) {
			t.Errorf("%s: %d bytes", name, made)
		}
	}
}
