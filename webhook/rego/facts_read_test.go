package rego_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// What a rule reads that depends on facts is known from its text, so that a policy finds the same whatever else is bound.
func TestFactsAreCompletedFromWhatTheRulesRead(t *testing.T) {
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	found := `deny contains {"msg": "m", "path": "p"} if `
	for name, test := range map[string]struct{ rules, want string }{
		"nothing":                {found + "input.workload.pod.spec.hostNetwork", ""},
		"LimitRanges":            {found + "count(input.namespace.limitRanges) == 0", "limitRanges"},
		"quotas":                 {found + `input.namespace["resourceQuotas"][0] == "x"`, "resourceQuotas"},
		"another name":           {"ns := input.namespace\n\n" + found + "count(ns.limitRanges) == 0", "limitRanges"},
		"a computed name":        {found + "some name in [\"labels\"]\n\tinput.namespace[name]", "limitRanges,resourceQuotas"},
		"an imported name":       {"import input.namespace as ns\n\n" + found + "count(ns.limitRanges) == 0", "limitRanges"},
		"object.get":             {found + `object.get(input.namespace, ["limitRanges", 0], "") == ""`, "limitRanges"},
		"gaps":                   {found + `input.gaps["requests.cpu"]`, "limitRanges"},
		"effective resources":    {found + "some c in input.containers\n\tc.resources.limits.cpu > 7", "limitRanges"},
		"resources as written":   {found + "some c in input.containers\n\tc.spec.resources.limits.cpu", ""},
		"resources of a Pod":     {found + "input.workload.resources.limits.cpu > 7\n\tcount(input.containers) > 7", ""},
		"refusals":               {found + "count(input.workload.refusals) > 0", "limitRanges"},
		"shortages":              {found + "count(input.workload.shortages) > 0", "horizontalPodAutoscalers,limitRanges,persistentVolumeClaims,resourceQuotas,storageClasses"},
		"an autoscaler":          {found + "input.workload.autoscaler", "horizontalPodAutoscalers"},
		"the number of Pods":     {found + "input.workload.pods.steady == 1", "horizontalPodAutoscalers"},
		"claims":                 {found + "count(input.claims) > 0", ""},
		"known claims":           {found + "some c in input.claims\n\tc.known", "persistentVolumeClaims"},
		"provisioners":           {found + "some c in input.claims\n\tc.provisioner == \"x\"", "persistentVolumeClaims,storageClasses"},
		"the input as a whole":   {"f(x) := x.namespace.limitRanges\n\n" + found + "count(f(input)) == 0", "limitRanges"},
		"an injection":           {`inject contains {"container": "c", "field": "resources.limits.cpu", "value": "1"} if input.kind == "Pod"`, "limitRanges,resourceQuotas"},
		"a name of no such kind": {found + `input.object.metadata.labels.limitRanges`, ""},
	} {
		catalog, bad := library.With(map[string]string{"own": withKinds("own", "Pod", braced(test.rules))})
		if len(bad) > 0 {
			t.Fatal(name, bad)
		}
		policy, _ := catalog.Policy("own")
		var facts []string
		for _, fact := range policy.Facts {
			facts = append(facts, string(fact))
		}
		slices.Sort(facts)
		if got := strings.Join(facts, ","); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
		if notes := policy.FactNotes(); (len(notes) > 0) != (test.want != "") || len(notes) > 0 && !strings.Contains(notes[0], facts[0]) {
			t.Errorf("%s: got %q", name, notes)
		}
	}
}

// METADATA of the library names every fact that its rules read.
func TestTheLibraryNamesItsFacts(t *testing.T) {
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, policy := range library.Policies() {
		for _, fact := range rego.NeededFacts(library, policy) {
			if !slices.Contains(policy.Facts, fact) {
				t.Errorf("%s reads %s", policy.ID, fact)
			}
			named++
		}
	}
	if named < 15 {
		t.Errorf("only %d facts are read", named)
	}
}

// A policy that says which facts it reads is completed with nothing.
func TestFactsInMetadataAreNotNoted(t *testing.T) {
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	source := strings.Replace(user("own", braced(`deny contains {"msg": "m", "path": "p"} if count(input.namespace.limitRanges) == 0`)), "#   remediation", "#   facts: [limitRanges]\n#   remediation", 1)
	catalog, bad := library.With(map[string]string{"own": source})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	if policy, _ := catalog.Policy("own"); fmt.Sprint(policy.Facts) != fmt.Sprint([]decision.Fact{decision.FactLimitRanges}) || len(policy.FactNotes()) > 0 {
		t.Errorf("got %v, %q", policy.Facts, policy.FactNotes())
	}
}
