package rego_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/compile"
)

// stoppedAt has, for each way in which a Policy may not end, at what it is stopped. The numbers depend on nothing else than
// the policy, the object and how the engine counts: neither on the machine nor on what else it does.
var stoppedAt = map[string]struct{ rules, at string }{
	"loops": {`deny contains {"msg": "m", "path": "p"} if count([1 | some i in numbers.range(1, 20000); some j in numbers.range(1, 20000); i + j == -1]) == 7`, "used more than 1,000,000 steps: at 1000030 of 1000000"},
	"explodes": {`deny contains {"msg": "m", "path": "p"} if count([array.concat(texts, texts) | some i in numbers.range(1, 9999)]) == 7

texts := [text | some i in numbers.range(1, 2000); text := input.object.data.text]`, "used more than 33,554,432 bytes: at 33616736 of 33554432"},
	"matches": {`deny contains {"msg": "m", "path": "p"} if regex.replace(input.object.data.text, "(a*b|a)", "") == "x"`, "used more than 1,000,000 steps: at 1984534 of 1000000"},
	"compares": {`deny contains {"msg": "m", "path": "p"} if {
	some k, v in input.object.data
	some l, w in input.object.data
	k != l
	v == w
}`, "used more than 1,000,000 steps: at 1000668 of 1000000"},
}

// exhaustingData exhausts all of them.
func exhaustingData() map[string]any {
	data := map[string]any{"text": strings.Repeat("a", 50_000)}
	for i := range 2000 {
		data[fmt.Sprintf("k%05d", i)] = fmt.Sprintf("%05da", i)
	}
	return data
}

func TestWhatDoesNotEndIsStoppedAtTheSameStep(t *testing.T) {
	bodies := map[string]string{"sound": always}
	var instances []rego.Instance
	for name, c := range stoppedAt {
		bodies[name] = c.rules
	}
	names := append([]string{"a-library"}, slices.Sorted(maps.Keys(bodies))...)
	var all []int
	for i, name := range names {
		instances, all = append(instances, rego.Instance{Policy: name}), append(all, i)
	}
	program, err := rego.Compile(withUsers(t, bodies), instances)
	if err != nil {
		t.Fatal(err)
	}
	r := configMap(exhaustingData())
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 3 {
				results, err := program.Evaluate(t.Context(), r, all, rego.Deny)
				if err != nil {
					t.Error(err)
					return
				}
				for i, name := range names {
					checkStopped(t, name, results[i])
				}
			}
		})
	}
	group.Wait()
	for name, c := range stoppedAt {
		t.Logf("%s: %s", name, c.at)
	}
}

func checkStopped(t *testing.T, name string, result decision.Result) {
	t.Helper()
	c, isStopped := stoppedAt[name]
	if !isStopped {
		if result.Err != nil || len(result.Violations) != 1 {
			t.Errorf("%s does not decide: %+v", name, result)
		}
		return
	}
	stopped := new(compile.BudgetError)
	if !errors.As(result.Err, &stopped) {
		t.Errorf("%s: got %+v", name, result)
		return
	}
	if at := fmt.Sprintf("%v: at %d of %d", stopped, stopped.Used, stopped.Limit); at != c.at {
		t.Errorf("%s is stopped: %s", name, at)
	}
}
