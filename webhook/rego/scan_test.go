package rego_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"taffrail.dev/webhook/rego"
)

// scanning compiles users' Policies that consist of one rule each.
func scanning(tb testing.TB, bodies map[string]string) (p *rego.Program, instances []int) {
	tb.Helper()
	name, source := file("a-library", always)
	catalog, err := rego.Load(fstest.MapFS{name: source})
	if err != nil {
		tb.Fatal(err)
	}
	modules := map[string]string{}
	for id, body := range bodies {
		modules[id] = user(id, body)
	}
	catalog, bad := catalog.With(modules)
	if len(bad) > 0 {
		tb.Fatal(bad)
	}
	var bound []rego.Instance
	for _, policy := range catalog.Policies() {
		if policy.User {
			bound, instances = append(bound, rego.Instance{Policy: policy.ID, Parameters: map[string]any{}}), append(instances, len(instances))
		}
	}
	if p, err = rego.Compile(catalog, bound); err != nil {
		tb.Fatal(err)
	}
	return p, instances
}

const (
	indifferent = `deny contains {"msg": "m", "path": "p"} if input.object.data.password`
	reading     = `deny contains {"msg": "m", "path": "p"} if input.credentials.found["data[password]"]`
)

func TestUsersPoliciesReadWhatTheScannerFinds(t *testing.T) {
	for _, body := range []string{
		reading,
		`deny contains {"msg": "m", "path": "p"} if object.get(input, "credentials", {}).found["data[password]"]`,
		`deny contains {"msg": "m", "path": "p"} if {
	some name
	name != "object"
	input[name].found["data[password]"]
}`,
		"import input.credentials as scan\n\n" + `deny contains {"msg": "m", "path": "p"} if scan.found["data[password]"]`,
	} {
		p, instances := scanning(t, map[string]string{"own": body})
		results, err := p.Evaluate(t.Context(), configMap(map[string]any{"password": "hunter2"}), instances, rego.Deny)
		if err != nil || results[0].Err != nil || len(results[0].Violations) != 1 {
			t.Errorf("%s: %v %+v", body, err, results)
		}
	}
}

// The cost of a Policy does not depend on whether another one reads the scanner's output.
func TestOnlyReadersPayForTheScanner(t *testing.T) {
	data := map[string]any{"password": "hunter2"}
	for i := range 500 {
		data[fmt.Sprintf("key-%d", i)] = "value"
	}
	own := map[string]string{"indifferent": indifferent}
	steps := func() (n int) {
		p, instances := scanning(t, own)
		counting := p.Counting(func(policy string, steps int) {
			if policy == "indifferent" {
				n += steps
			}
		})
		if _, err := counting.Evaluate(t.Context(), configMap(data), instances, rego.Deny); err != nil {
			t.Fatal(err)
		}
		return n
	}
	allocations := func() float64 {
		p, instances := scanning(t, own)
		return testing.AllocsPerRun(20, func() {
			if _, err := p.Evaluate(t.Context(), configMap(data), instances, rego.Deny); err != nil {
				t.Fatal(err)
			}
		})
	}
	alone, few := steps(), allocations()
	own["reading"] = reading
	if beside := steps(); alone == 0 || beside != alone {
		t.Errorf("%d steps alone, %d next to a Policy that reads what the scanner finds", alone, beside)
	}
	if many := allocations(); few+2000 > many {
		t.Errorf("%v allocations without a scan, %v with", few, many)
	}
}
