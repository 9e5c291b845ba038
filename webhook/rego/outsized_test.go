package rego_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/compile"
)

// repeated is a comprehension that makes a long text of a short one when the policy is evaluated.
func repeated(text string, times int) string {
	return fmt.Sprintf("concat(\"\", [x | some i in numbers.range(1, %d); x := concat(\"\", [", times) + "`" + text + "`, substring(input.kind, 0, 0)])])"
}

// doubled makes a text of a character, twenty times twice as long, when the policy is evaluated.
func doubled(character string) string {
	var rules strings.Builder
	fmt.Fprintf(&rules, "t0 := concat(\"\", [\"%s\", substring(input.kind, 0, 0)])\n\n", character)
	for i := 1; i <= 20; i++ {
		fmt.Fprintf(&rules, "t%d := concat(\"\", [t%[2]d, t%[2]d])\n\n", i, i-1)
	}
	return rules.String()
}

func finding(condition string) string {
	return `deny contains {"msg": "m", "path": "p"} if ` + condition
}

// manyTimes counts what a call returns, which takes arguments that are evaluated.
func manyTimes(call string) string {
	return finding(`count([1 | some i in numbers.range(1, 20); y := ` + call + `; y != i]) == 7`)
}

// outsizedTraps are rules whose built-in functions make much more than they are given. They are for the compiled engine:
// sandbox has those of topdown.
var outsizedTraps = map[string]string{
	"a valid pattern of classes":     finding(`regex.is_valid(` + repeated(`\pL`, 12_000) + `)`),
	"a valid pattern of folded ones": finding(`regex.is_valid(` + repeated(`(?i)[B-\x{1E942}]`, 1_000) + `)`),
	"a pattern of classes":           finding(`regex.match(` + repeated(`\pL`, 12_000) + `, "x")`),
	"a pattern of repetitions":       finding(`regex.match(` + repeated(`a{1000}`, 3_300) + `, "x")`),
	"a written pattern":              finding("regex.match(`" + strings.Repeat(`a{1000}`, 3_300) + "`, input.kind)"),
	"many written patterns": func() string {
		var rules strings.Builder
		for i := range 900 {
			fmt.Fprintf(&rules, "r%d if regex.match(`%dx{990}`, input.kind)\n\n", i, i)
		}
		rules.WriteString("x := [1 | some i in numbers.range(1, 1000)")
		for i := range 900 {
			fmt.Fprintf(&rules, "; r%d", i)
		}
		return rules.String() + "]\n\n" + finding("count([1 | some i in numbers.range(1, 99999); some j in numbers.range(1, 99999); i * j == count(x) - 1]) == 7")
	}(),
	"marshaled control characters": doubled(`\u0001`) + manyTimes(`json.marshal([t20, i])`),
	"a quoted text":                doubled(`\u0001`) + manyTimes(`sprintf("%q %d", [t20, i])`),
	"a text in hex":                doubled("x") + manyTimes(`sprintf("%# x %d", [t20, i])`),
	"an array of texts":            doubled(`\u0001`) + manyTimes(`sprintf("%v %d", [[t20], i])`),
	"digits of floats":             manyTimes(`sprintf(` + repeated(`%[1]f`, 100_000) + `, [1e308 * count(input.object.data), i])`),
	"a set of numbers of one hash": "s := {x | some i in numbers.range(1, 9000); x := i / 100000}\n\n" + manyTimes(`sprintf("%v %d", [s, i])`),
	"replaced nothing":             doubled("x") + manyTimes(`replace(t20, substring(input.kind, 0, 0), "0123456789")`),
}

// What a function makes is counted before it is made, however short its arguments are; and nothing of it is compiled in
// advance that takes more than a program may.
func TestOutsizedResultsAreCountedBefore(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long with the race detector, and is of one goroutine")
	}
	for name, body := range outsizedTraps {
		t.Run(name, func(t *testing.T) {
			made := func(work func()) uint64 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				work()
				runtime.ReadMemStats(&after)
				return after.TotalAlloc - before.TotalAlloc
			}
			catalog := withUsers(t, map[string]string{"b-trap": body})
			program, err := rego.Compile(catalog, []rego.Instance{{Policy: "b-trap"}})
			if err != nil {
				t.Fatal(err)
			}
			var results []decision.Result
			evaluate := func() {
				if results, err = program.Evaluate(t.Context(), configMap(map[string]any{"x": "swordfish"}), []int{0}, rego.Deny); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("compiling: %d MiB", made(evaluate)>>20)
			if made := made(evaluate); made > 4*uint64(compile.DefaultBudget.Bytes) || !errors.Is(results[0].Err, compile.ErrBudget) {
				t.Errorf("%d MiB, %v", made>>20, results[0].Err)
			}
			machinesKeep(t, program)
		})
	}
}

// machinesKeep fails if much is held after an evaluation.
func machinesKeep(t *testing.T, program *rego.Program) {
	t.Helper()
	var held runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&held)
	if held.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB are held", held.HeapAlloc>>20)
	}
	runtime.KeepAlive(program)
}
