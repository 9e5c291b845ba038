package regotest_test

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// sameResults fails if two results differ, errors and their texts included.
func sameResults(t *testing.T, topdown, compiled decision.Result) (same bool) {
	t.Helper()
	text := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	diff := gocmp.Diff(topdown, compiled, cmpopts.IgnoreFields(decision.Result{}, "Err"), cmpopts.EquateEmpty())
	if want, got := text(topdown.Err), text(compiled.Err); want != got {
		diff += "topdown: " + want + "\ncompiled: " + got
	}
	if diff != "" {
		t.Error("topdown and compiled differ:\n" + diff)
	}
	return diff == ""
}

// TestEnginesAgreeOnCases decides the object of every case with both engines: with the policy and the parameters of the
// case, and with all policies.
func TestEnginesAgreeOnCases(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	all, defaults := loadCases(t), everything(t, catalog)
	pairs, found := 0, 0
	compare := func(program *rego.Program, r *decision.Request, instances []int) {
		want, err := program.WithEngine(rego.EngineTopdown).Evaluate(t.Context(), r, instances, rego.Both)
		if err != nil {
			t.Fatal(err)
		}
		got, err := program.Evaluate(t.Context(), r, instances, rego.Both)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			pairs++
			found += len(want[i].Violations) + len(want[i].Intents)
			sameResults(t, want[i], got[i])
		}
	}
	for _, policy := range catalog.Policies() {
		for _, c := range all[policy.ID] {
			t.Run(policy.ID+"/"+c.Name, func(t *testing.T) {
				program, err := c.Program(catalog, policy)
				if err != nil {
					t.Fatal(err)
				}
				r, err := c.Request(c.Object)
				if err != nil {
					t.Fatal(err)
				}
				compare(program, r, []int{0})
				compare(defaults.program, r, defaults.instances)
			})
		}
	}
	t.Logf("%d pairs of an object and a policy, with %d findings and intents", pairs, found)
}

// everyPolicy is all policies of the library under their default parameters.
type everyPolicy struct {
	program   *rego.Program
	instances []int
	ids       []string
}

func everything(t testing.TB, catalog *rego.Catalog) everyPolicy {
	t.Helper()
	var bound []rego.Instance
	var all everyPolicy
	for i, policy := range catalog.Policies() {
		parameters, errs := policy.CheckParameters(nil, nil)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		bound, all.instances = append(bound, rego.Instance{Policy: policy.ID, Parameters: parameters}), append(all.instances, i)
		all.ids = append(all.ids, policy.ID)
	}
	program, err := rego.Compile(catalog, bound)
	if err != nil {
		t.Fatal(err)
	}
	all.program = program
	return all
}

func TestTheLibraryIsCompiled(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range catalog.Policies() {
		if engine, err := policy.Engine(); engine != rego.EngineCompiled || err != nil {
			t.Errorf("%s gets %s: %v", policy.ID, engine, err)
		}
	}
}
