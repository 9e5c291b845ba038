package configcheck_test

import (
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
)

// library is loaded once: it is immutable, and loading it takes longer than most tests.
var library = sync.OnceValues(func() (*rego.Catalog, error) { return rego.Load(policies.FS) })

func catalog(tb testing.TB) *rego.Catalog {
	tb.Helper()
	c, err := library()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func build(t *testing.T, guardrails ...v1alpha1.Guardrail) *config.Snapshot {
	t.Helper()
	snapshot, problems, err := config.Build(t.Context(), catalog(t), config.Objects{Guardrails: guardrails})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return snapshot
}

func guardrail(name string, mode v1alpha1.Mode, bindings ...v1alpha1.PolicyBinding) v1alpha1.Guardrail {
	return v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.GuardrailSpec{Mode: mode, Policies: bindings}}
}

func binding(name, parameters string) v1alpha1.PolicyBinding {
	b := v1alpha1.PolicyBinding{Name: name}
	if parameters != "" {
		b.Parameters = &apiextensionsv1.JSON{Raw: []byte(parameters)}
	}
	return b
}
