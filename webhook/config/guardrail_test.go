package config_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

func serviceKind() schema.GroupKind { return schema.GroupKind{Kind: "Service"} }

func newGuardrail(t *testing.T, spec v1alpha1.GuardrailSpec, modes ...decision.Mode) *config.Guardrail {
	t.Helper()
	var bindings []config.Binding
	for i, mode := range modes {
		policy := &rego.Policy{
			ID: "a-policy", Severity: decision.SeverityHigh, Remediation: "Do it right.",
			Kinds: []schema.GroupKind{serviceKind(), {Kind: "Pod"}, {Kind: "Namespace"}, {Group: "storage.k8s.io", Kind: "StorageClass"}},
		}
		bindings = append(bindings, config.Binding{Policy: policy, Instance: i, Mode: mode})
	}
	g, err := config.NewGuardrail(&v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: "g"}, Spec: spec}, bindings)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func selecting(label, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}
}

func TestResolveByNamespace(t *testing.T) {
	known := func(name string, labels map[string]string) decision.Namespace {
		return decision.Namespace{Name: name, Labels: labels, Known: true}
	}
	opted := map[string]string{"guard": "on"}
	for name, test := range map[string]struct {
		spec      v1alpha1.GuardrailSpec
		kind      string
		namespace decision.Namespace
		object    map[string]any
		bound     bool
		uncertain bool
	}{
		"no selector":               {v1alpha1.GuardrailSpec{}, "Service", known("a", nil), nil, true, false},
		"empty selector":            {v1alpha1.GuardrailSpec{NamespaceSelector: &metav1.LabelSelector{}}, "Service", known("a", nil), nil, true, false},
		"empty, labels unknown":     {v1alpha1.GuardrailSpec{}, "Service", decision.Namespace{Name: "a"}, nil, true, false},
		"excluded":                  {v1alpha1.GuardrailSpec{ExcludeNamespaces: []string{"a"}}, "Service", known("a", nil), nil, false, false},
		"another excluded":          {v1alpha1.GuardrailSpec{ExcludeNamespaces: []string{"b"}}, "Service", known("a", nil), nil, true, false},
		"selected":                  {v1alpha1.GuardrailSpec{NamespaceSelector: selecting("guard", "on")}, "Service", known("a", opted), nil, true, false},
		"not selected":              {v1alpha1.GuardrailSpec{NamespaceSelector: selecting("guard", "on")}, "Service", known("a", nil), nil, false, false},
		"labels unknown":            {v1alpha1.GuardrailSpec{NamespaceSelector: selecting("guard", "on")}, "Service", decision.Namespace{Name: "a"}, nil, true, true},
		"unknown but excluded":      {v1alpha1.GuardrailSpec{NamespaceSelector: selecting("guard", "on"), ExcludeNamespaces: []string{"a"}}, "Service", decision.Namespace{Name: "a"}, nil, false, false},
		"by name, labels unknown":   {v1alpha1.GuardrailSpec{NamespaceSelector: selecting("kubernetes.io/metadata.name", "a")}, "Service", decision.Namespace{Name: "a"}, nil, true, false},
		"by another name":           {v1alpha1.GuardrailSpec{NamespaceSelector: selecting("kubernetes.io/metadata.name", "b")}, "Service", decision.Namespace{Name: "a"}, nil, false, false},
		"cluster-scoped, selector":  {v1alpha1.GuardrailSpec{NamespaceSelector: selecting("guard", "on")}, "StorageClass", decision.Namespace{Known: true}, nil, false, false},
		"cluster-scoped, empty":     {v1alpha1.GuardrailSpec{}, "StorageClass", decision.Namespace{Known: true}, nil, true, false},
		"a Namespace by its labels": {v1alpha1.GuardrailSpec{NamespaceSelector: selecting("guard", "on")}, "Namespace", decision.Namespace{Known: true}, map[string]any{"metadata": map[string]any{"labels": map[string]any{"guard": "on"}}}, true, false},
		"another kind":              {v1alpha1.GuardrailSpec{}, "ConfigMap", known("a", nil), nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			kind := schema.GroupVersionKind{Version: "v1", Kind: test.kind}
			if test.kind == "StorageClass" {
				kind.Group = "storage.k8s.io"
			}
			set := config.Guardrails{newGuardrail(t, test.spec, decision.ModeEnforce)}
			bounds := set.Resolve(&decision.Request{Kind: kind, Name: "x", Namespace: test.namespace, Object: test.object}, 0)
			if (len(bounds) == 1) != test.bound || test.bound && bounds[0].Uncertain != test.uncertain {
				t.Errorf("got %+v", bounds)
			}
		})
	}
}

func TestResolveUnderACeiling(t *testing.T) {
	set := config.Guardrails{newGuardrail(t, v1alpha1.GuardrailSpec{}, decision.ModeEnforce, decision.ModeWarn, decision.ModeAudit)}
	r := &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}}
	for ceiling, want := range map[decision.Mode][]decision.Mode{
		0:                    {decision.ModeEnforce, decision.ModeWarn, decision.ModeAudit},
		decision.ModeEnforce: {decision.ModeEnforce, decision.ModeWarn, decision.ModeAudit},
		decision.ModeWarn:    {decision.ModeWarn, decision.ModeWarn, decision.ModeAudit},
		decision.ModeAudit:   {decision.ModeAudit, decision.ModeAudit, decision.ModeAudit},
	} {
		for i, bound := range set.Resolve(r, ceiling) {
			if bound.Mode != want[i] {
				t.Errorf("ceiling %v: binding %d is %v, want %v", ceiling, i, bound.Mode, want[i])
			}
		}
	}
}
