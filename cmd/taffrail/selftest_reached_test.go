package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
)

func withConditions(kind, name string, generation int64, conditions ...any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "taffrail.dev/v1alpha1", "kind": kind, "metadata": map[string]any{"name": name, "generation": generation},
		"status": map[string]any{"conditions": conditions},
	}}
}

func condition(kind, status string, generation int64) any {
	return map[string]any{"type": kind, "status": status, "observedGeneration": generation, "reason": "R", "message": "of " + kind}
}

// helm test fails if the API server does not send something that is bound, and names it.
func TestSelfTestReadsWhatIsReached(t *testing.T) {
	good := []any{condition("Active", "True", 2), condition("Reached", "True", 2)}
	for name, test := range map[string]struct {
		object *unstructured.Unstructured
		want   string
	}{
		"all is well":           {withConditions("Guardrail", "a", 2, good...), ""},
		"not reached":           {withConditions("Guardrail", "a", 2, condition("Active", "True", 2), condition("Reached", "False", 2)), "Guardrail a: of Reached"},
		"a Policy, not reached": {withConditions("Policy", "p", 2, condition("Active", "True", 2), condition("Reached", "False", 2)), "Policy p: of Reached"},
		"nobody knows":          {withConditions("Guardrail", "a", 2, condition("Active", "True", 2), condition("Reached", "Unknown", 2)), "Guardrail a: of Reached"},
		"of the spec before":    {withConditions("Guardrail", "a", 3, good...), "its status does not yet report"},
		"no status":             {withConditions("Guardrail", "a", 1), "its status does not yet report"},
		"nothing is in force":   {withConditions("Guardrail", "a", 2, condition("Active", "False", 2)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
				{Group: "taffrail.dev", Version: "v1alpha1", Resource: "guardrails"}: "GuardrailList",
				{Group: "taffrail.dev", Version: "v1alpha1", Resource: "policies"}:   "PolicyList",
			}, withConditions("Guardrail", "good", 2, good...), test.object)
			var said strings.Builder
			err := testReached(t.Context(), client, time.Millisecond, &said)
			switch {
			case test.want == "" && (err != nil || !strings.Contains(said.String(), "sends everything")):
				t.Errorf("%v, %q", err, said.String())
			case test.want != "" && (!errors.Is(err, errNotReached) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
