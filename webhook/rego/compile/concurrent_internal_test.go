package compile

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// Goroutines share programs, their constants and the pool of machines. Only the race detector can tell that nothing shared
// is written: CI runs it on this package. Each goroutine must find the same, too.
func TestGoroutinesShareProgramsAndMachines(t *testing.T) {
	parameters := map[string]any{
		"names": []any{"z", "b", "a", "b"}, "limits": map[string]any{"z": int64(3), "a": 1.5, "m": []any{nil, "x"}},
		"words": []any{"q", "w", "e", "r", "t", "y", "u", "i", "o", "p", "a", "s", "d", "f", "g"},
	}
	program := programOf(t, `sets := {{"c", "a"}, {x | some x in input.parameters.words}, {3, 1.0, 2}}

table := {name: {"of": name, "list": [name, {name, 1}]} | some name in input.parameters.words}

words := {x | some x in input.parameters.words}

slow(x) := [y | some y in words; some z in words; concat("", [y, z]) > x]

out contains [name, k, sorted, union, joined] if {
	some name, text in input.many
	some k, v in input.parameters.limits
	sorted := sort({[v, name] | some v in sets})
	union := object.union(table, {"q": {"of": text}})
	joined := concat(",", words | {name, text})
	count(slow("q")) + count(slow(text)) > 0
	regex.match("name-[0-9]+", name)
	glob.match(concat("", ["name-", "*"]), [], name)
	not name in sets
}`, Options{Parameters: parameters})
	machines := &Machines{}
	evaluate := func() string {
		m := machines.Get()
		defer machines.Put(m)
		input := many(6)
		input["parameters"] = program.Parameters()
		value, err := m.Evaluate(t.Context(), program, "data.p.out", input, Budget{Steps: 50_000_000, Bytes: 1 << 30})
		return fmt.Sprint(value, err, m.Used())
	}
	// No evaluation comes first: it might write what the others only read.
	var results [8][3]string
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() {
			for k := range results[i] {
				results[i][k] = evaluate()
			}
		})
	}
	group.Wait()
	first := results[0][0]
	for _, result := range results {
		if result != [3]string{first, first, first} || !strings.Contains(first, "name-25") {
			t.Errorf("got %.200s…", first)
		}
	}
}
