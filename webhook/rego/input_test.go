package rego_test

import (
	"strings"
	"testing"
	"testing/fstest"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// A policy reads CPU in millicores and memory in bytes, however they were written.
func TestQuantitiesReachPoliciesAsNumbers(t *testing.T) {
	name, source := file("a-policy", `deny contains {"msg": sprintf("%d %d", [container.resources.limits.cpu, container.resources.limits.memory]), "path": "p"} if {
	some container in input.containers
}`)
	source.Data = []byte(strings.Replace(string(source.Data), "[ConfigMap]", "[Pod]", 1))
	catalog, err := rego.Load(fstest.MapFS{name: source})
	if err != nil {
		t.Fatal(err)
	}
	p, err := rego.Compile(catalog, []rego.Instance{{Policy: "a-policy", Parameters: map[string]any{}}})
	if err != nil {
		t.Fatal(err)
	}
	const most, least = "9223372036854775807", "-9223372036854775808"
	for text, want := range map[string]string{
		"0": "0 0", "1": "1000 1", "1n": "1 1", "1u": "1 1", "1500u": "2 1", "1m": "1 1", "1001m": "1001 2", ".5": "500 1", "5.": "5000 5",
		"1k": "1000000 1000", "1M": "1000000000 1000000", "1G": "1000000000000 1000000000", "1T": "1000000000000000 1000000000000",
		"1P": "1000000000000000000 1000000000000000", "1E": most + " 1000000000000000000",
		"1Ki": "1024000 1024", "1Mi": "1048576000 1048576", "1Gi": "1073741824000 1073741824", "1Ti": "1099511627776000 1099511627776",
		"1Pi": "1125899906842624000 1125899906842624", "1Ei": most + " 1152921504606846976", "0.1Ki": "102400 103",
		"1e3": "1000000 1000", "1E3": "1000000 1000", "1e+3": "1000000 1000", "1e-3": "1 1", "5e-1": "500 1",
		"8Ei": most + " " + most, "1e19": most + " " + most, "1e99": most + " " + most, "1e999": most + " " + most,
		"99999999999999999999999999999999Ei": most + " " + most, "9223372036854775807": most + " " + most,
		"-1": "-1000 -1", "-1m": "-1 -1", "-1e99": least + " " + least,
	} {
		quantity := resource.MustParse(text)
		w := &decision.Workload{Pod: map[string]any{}, Containers: []decision.Container{{Name: "a", Type: decision.ContainerApp, Path: "a",
			Effective: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: quantity, corev1.ResourceMemory: quantity}}}}}
		r := &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Object: map[string]any{}, Workload: w}
		results, err := p.Evaluate(t.Context(), r, []int{0}, rego.Deny)
		if err != nil || results[0].Err != nil || len(results[0].Violations) != 1 {
			t.Fatal(text, err, results)
		}
		if got := results[0].Violations[0].Message; got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
