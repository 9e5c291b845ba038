package rego_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"taffrail.dev/webhook/rego"
)

// compiled returns a program of the library's policy and the given number of users' policies about a kind.
func compiled(tb testing.TB, users int, kind string) (p *rego.Program, instances []int) {
	tb.Helper()
	name, source := file("a-library", always)
	catalog, err := rego.Load(fstest.MapFS{name: source})
	if err != nil {
		tb.Fatal(err)
	}
	modules := map[string]string{}
	for i := range users {
		id := fmt.Sprintf("own-%d", i)
		modules[id] = strings.Replace(user(id, `deny contains {"msg": "m", "path": "p"} if {
	some key, value in input.object.data
	startswith(key, "secret-")
	lower(value) == "x"
}`), "[ConfigMap]", "["+kind+"]", 1)
	}
	catalog, bad := catalog.With(modules)
	if len(bad) > 0 {
		tb.Fatal(bad)
	}
	var bound []rego.Instance
	for i, policy := range catalog.Policies() {
		bound, instances = append(bound, rego.Instance{Policy: policy.ID, Parameters: map[string]any{}}), append(instances, i)
	}
	if p, err = rego.Compile(catalog, bound); err != nil {
		tb.Fatal(err)
	}
	return p, instances
}

var ordinary = map[string]any{"a": "one", "secret-b": "two", "c": "three"}

// Users' policies about other kinds cost a request nothing.
func TestUsersPoliciesAboutOtherKindsCostNothing(t *testing.T) {
	allocations := func(users int) float64 {
		p, instances := compiled(t, users, "Service")
		instances = instances[:1] // those that the request is bound to
		return testing.AllocsPerRun(200, func() {
			if _, err := p.Evaluate(t.Context(), configMap(ordinary), instances, rego.Deny); err != nil {
				t.Fatal(err)
			}
		})
	}
	if without, with := allocations(0), allocations(30); with > without {
		t.Errorf("%v allocations without users' policies, %v with", without, with)
	}
}

func BenchmarkUsersPolicies(b *testing.B) {
	for _, c := range []struct {
		name, kind string
		users      int
	}{{"none", "ConfigMap", 0}, {"30 about another kind", "Service", 30}, {"1 about the kind", "ConfigMap", 1}, {"30 about the kind", "ConfigMap", 30}} {
		b.Run(c.name, func(b *testing.B) {
			p, instances := compiled(b, c.users, c.kind)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Evaluate(b.Context(), configMap(ordinary), instances, rego.Deny); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
