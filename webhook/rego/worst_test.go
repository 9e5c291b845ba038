package rego_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

// manyEntries returns a Deployment with 300 env entries whose names most policies read twice.
func manyEntries(t *testing.T) *decision.Request {
	t.Helper()
	var env []any
	for i := range 300 {
		env = append(env, map[string]any{"name": fmt.Sprintf("E%d_%s_PASSWORD", i, strings.Repeat("a", 40)), "value": fmt.Sprintf("value-%d-of-the-environment", i)})
	}
	r, err := request.Manifest(map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "n"},
		"spec": map[string]any{
			"selector": map[string]any{"matchLabels": map[string]any{"a": "b"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"a": "b"}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "c", "image": "nginx", "env": env}}},
			},
		},
	}, "n")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// worst fills every list of a policy's parameters to its maximum, with patterns of many asterisks that match
// nothing.
func worst(p *rego.Policy, items, length int) map[string]any {
	all, lists := map[string]any{}, 0
	for _, parameter := range p.Parameters {
		if parameter.Type == "array" {
			lists++
		}
	}
	for _, parameter := range p.Parameters {
		element, _ := parameter.Schema["items"].(map[string]any)
		if parameter.Type != "array" || element["enum"] != nil {
			continue
		}
		long := length
		if element["maxLength"] != nil {
			long = min(long, 36)
		}
		list := make([]any, min(items, (config.MaxParameters-500)/(lists*(long+3))))
		for i := range list {
			list[i] = fmt.Sprintf("%.*sz%d", long-4, strings.Repeat("*a", long), i)
		}
		all[parameter.Name] = list
	}
	return all
}

// Parameters limit how expensive Guardrails can make all policies together: the most expensive ones allowed
// cost a small multiple of the defaults.
func TestTheWorstParametersAllowed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with the race detector, and is of one goroutine")
	}
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	request := manyEntries(t)
	steps := func(items, length int) (total int) {
		g := &v1alpha1.Guardrail{Spec: v1alpha1.GuardrailSpec{Mode: v1alpha1.ModeEnforce}}
		g.Name = "worst"
		for _, policy := range library.Policies() {
			binding := v1alpha1.PolicyBinding{Name: policy.ID}
			if items > 0 {
				text, err := json.Marshal(worst(policy, items, length))
				if err != nil {
					t.Fatal(err)
				}
				binding.Parameters = &apiextensionsv1.JSON{Raw: text}
			}
			g.Spec.Policies = append(g.Spec.Policies, binding)
		}
		resolved, errs := config.Resolve(g, library)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		var instances []rego.Instance
		var all []int
		for i, binding := range resolved.Bindings {
			instances, all = append(instances, rego.Instance{Policy: binding.Policy.ID, Parameters: binding.Parameters}), append(all, i)
		}
		program, err := rego.Compile(library, instances)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := program.Counting(func(_ string, n int) { total += n }).Evaluate(t.Context(), request, all, rego.Both); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d items of %d bytes: %d steps, %v", items, length, total, time.Since(began))
		largest := int64(0)
		counting := program.WithUsage(func(policy string, used rego.Usage) {
			if largest = max(largest, used.Steps); used.Steps > rego.LibraryBudget.Steps/4 || used.Bytes > rego.LibraryBudget.Bytes/10 {
				t.Errorf("%s: %+v with %d items of %d bytes, of %+v", policy, used, items, length, rego.LibraryBudget)
			}
		})
		if _, err := counting.Evaluate(t.Context(), request, all, rego.Both); err != nil {
			t.Fatal(err)
		}
		t.Logf("compiled: %d steps at most for a policy", largest)
		return total
	}
	usual := steps(0, 0)
	for _, c := range []struct{ items, length int }{{config.MaxItems, 24}, {100, 70}, {7, config.MaxText}} {
		if most := steps(c.items, c.length); most > 300_000 || most > 20*usual {
			t.Errorf("%d items of %d bytes take %d steps, and the defaults %d", c.items, c.length, most, usual)
		}
	}
}
