package rego_test

import (
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/request"
)

// full returns an object with as many keys as the 3 MiB that the API server takes have room for.
func full(t *testing.T, kind, value string, most int) *decision.Request {
	t.Helper()
	data, size := map[string]any{}, 0
	for i := 0; i < most && size < 3<<20; i++ {
		key := fmt.Sprintf("%03s", strings.ToUpper(fmt.Sprintf("%x", i)))
		data[key] = value
		size += len(key) + len(value) + len(`"":"",`)
	}
	r, err := request.Manifest(map[string]any{
		"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "large", "namespace": "n"}, "data": data,
	}, "n")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bind compiles the library's policies, with their default parameters.
func bind(t *testing.T) (*rego.Catalog, *rego.Program, []int) {
	t.Helper()
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	var instances []rego.Instance
	var all []int
	for i, policy := range library.Policies() {
		parameters, errs := policy.CheckParameters(map[string]any{}, nil)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		instances, all = append(instances, rego.Instance{Policy: policy.ID, Parameters: parameters}), append(all, i)
	}
	program, err := rego.Compile(library, instances)
	if err != nil {
		t.Fatal(err)
	}
	return library, program, all
}

// The library decides whatever the API server takes, far from its budget, with a bounded number of findings.
func TestTheLibraryDecidesTheLargestObjects(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long with the race detector, and is of one goroutine")
	}
	library, program, all := bind(t)
	for name, c := range map[string]struct{ kind, value, policy string }{
		"a Secret":                  {"Secret", "YQ==", "plaintext-secret"},
		"a ConfigMap":               {"ConfigMap", "a", ""},
		"a ConfigMap of passwords":  {"ConfigMap", "password: hunter2-Xy7q", "configmap-credentials"},
		"a ConfigMap of access IDs": {"ConfigMap", "AKIA" + "Z7QXWERTYUI2OPA5", "configmap-credentials"},
	} {
		r := full(t, c.kind, c.value, 240_000)
		largest := compile.Usage{}
		counting := program.WithUsage(func(_ string, used compile.Usage) {
			largest.Steps, largest.Bytes = max(largest.Steps, used.Steps), max(largest.Bytes, used.Bytes)
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		results, err := counting.Evaluate(t.Context(), r, all, rego.Both)
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		t.Logf("%s: %+v, %d MiB made", name, largest, (after.TotalAlloc-before.TotalAlloc)>>20)
		if largest.Steps > rego.LibraryBudget.Steps/2 || largest.Bytes > rego.LibraryBudget.Bytes/2 {
			t.Errorf("%s: used %+v", name, largest)
		}
		for i, policy := range library.Policies() {
			if found := results[i]; found.Err != nil || len(found.Violations) > 2_100 || (policy.ID == c.policy) != (len(found.Violations) > 0) {
				t.Errorf("%s: %s: %d violations, %v", name, policy.ID, len(found.Violations), found.Err)
			}
		}
	}
}

// Of more credentials than are listed, the number is a finding, and whatever changes about them is a new one.
func TestCredentialsThatAreNotListedAreFindings(t *testing.T) {
	_, program, all := bind(t)
	r := full(t, "ConfigMap", "password: hunter2-Xy7q", 2_500)
	keys := func() map[string]bool {
		results, err := program.Evaluate(t.Context(), r, all, rego.Deny)
		if err != nil {
			t.Fatal(err)
		}
		found, rest := map[string]bool{}, 0
		for _, result := range results {
			for _, v := range result.Violations {
				found[v.Key] = true
				if strings.Contains(v.Message, "more credentials") {
					rest++
				}
			}
		}
		if rest != 1 {
			t.Errorf("%d findings are about the rest", rest)
		}
		return found
	}
	before := keys()
	if again := keys(); !maps.Equal(before, again) {
		t.Error("the same object has other findings")
	}
	r.Object["data"].(map[string]any)["zzz"] = "password: hunter2-Xy7q"
	after := keys()
	maps.DeleteFunc(after, func(key string, _ bool) bool { return before[key] })
	if len(after) != 1 {
		t.Errorf("%d findings are new", len(after))
	}
}

// A policy of the library may have more findings than are read, but nothing hides behind that: what stands for the rest
// is as strict as the strictest of them, and is where all of them are.
func TestFindingsOfTheLibraryAreCapped(t *testing.T) {
	body := `deny contains object.union({"msg": sprintf("%d", [i]), "path": sprintf("data[%d]", [i])}, at(i)) if {
	some i in numbers.range(100000, input.object.data.most)
}

at(i) := {"at_most": input.object.data.mode} if i != input.object.data.strict else := {}`
	p := program(t, map[string]string{"a-policy": body})
	evaluate := func(most, strict int64) []decision.Violation {
		results, err := p.Evaluate(t.Context(), configMap(map[string]any{"most": 100_000 + most, "mode": "warn", "strict": 100_000 + strict}), []int{0}, rego.Deny)
		if err != nil || results[0].Err != nil {
			t.Fatal(err, results)
		}
		return results[0].Violations
	}
	rest := func(all []decision.Violation) *decision.Violation {
		for i := range all {
			if all[i].Several {
				return &all[i]
			}
		}
		return nil
	}
	if all := evaluate(1_999, -1); len(all) != 2_000 || rest(all) != nil {
		t.Errorf("%d findings", len(all))
	}
	mild := evaluate(2_049, -1)
	if r := rest(mild); len(mild) != 2_001 || r == nil || r.Path != "data" || r.AtMost != decision.ModeWarn || r.Message != "there are 50 more findings of this policy" {
		t.Fatalf("%d findings, and %+v", len(mild), r)
	}
	strict := rest(evaluate(2_049, 2_040))
	if strict == nil || strict.AtMost != 0 || strict.Digest == rest(mild).Digest || strict.Digest == [32]byte{} {
		t.Errorf("got %+v", strict)
	}
	if more := rest(evaluate(2_050, -1)); more == nil || more.Digest == rest(mild).Digest {
		t.Errorf("got %+v", more)
	}
}
