package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// The reason that is given agrees with what is decided, for every sort of selector and namespace.
func TestExplainedSelection(t *testing.T) {
	selectors := map[string]*metav1.LabelSelector{
		"none": nil, "empty": {},
		"label":  {MatchLabels: map[string]string{"team": "a"}},
		"name":   {MatchLabels: map[string]string{"kubernetes.io/metadata.name": "shop"}},
		"absent": {MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: metav1.LabelSelectorOpDoesNotExist}}},
		"both": {MatchLabels: map[string]string{"team": "a"}, MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "tier", Operator: metav1.LabelSelectorOpIn, Values: []string{"x", "y"}},
		}},
	}
	namespaces := []decision.Namespace{
		{Known: true}, {Name: "shop", Known: true}, {Name: "shop"}, {Name: "out", Known: true}, {Name: "out"},
		{Name: "shop", Known: true, Labels: map[string]string{"team": "a"}}, {Name: "shop", Known: true, Labels: map[string]string{"team": "b"}},
		{Name: "shop", Known: true, Labels: map[string]string{"team": "a", "tier": "x"}},
	}
	for name, selector := range selectors {
		spec := v1alpha1.GuardrailSpec{NamespaceSelector: selector, ExcludeNamespaces: []string{"out"}}
		g, err := NewGuardrail(&v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: "g"}, Spec: spec}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, namespace := range namespaces {
			t.Run(fmt.Sprintf("%s %+v", name, namespace), func(t *testing.T) {
				matches, certain := g.selectsNamespace(namespace)
				reason := g.selectionReason(namespace, certain)
				says := map[string]bool{
					"applies":   strings.Contains(reason, " matches namespace ") || strings.Contains(reason, "selects everything"),
					"does not":  strings.Contains(reason, "does not match") || strings.Contains(reason, "excludeNamespaces lists out") || strings.Contains(reason, "only an empty"),
					"uncertain": strings.Contains(reason, "it depends on the labels of namespace shop"),
				}
				want := map[bool]string{true: "applies", false: "does not"}[matches]
				if !certain {
					want = "uncertain"
				}
				for what, said := range says {
					if said != (what == want) {
						t.Errorf("%v, %v, but: %s", matches, certain, reason)
					}
				}
			})
		}
	}
}

// An Exemption is explained to apply exactly where it exempts from something.
func TestExplainedExemption(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	deployment := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	bound := &Guardrail{Bindings: []Binding{
		{Policy: &rego.Policy{ID: "bound", Kinds: []schema.GroupKind{deployment}}, Mode: decision.ModeEnforce},
		{Policy: &rego.Policy{ID: "never", Kinds: []schema.GroupKind{deployment}}, Mode: decision.ModeEnforce},
	}, limits: limits{never: []string{"never"}}}
	made, err := NewGuardrail(&v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: "g"}}, bound.Bindings)
	if err != nil {
		t.Fatal(err)
	}
	made.limits = bound.limits
	r := &decision.Request{
		Kind: deployment.WithVersion("v1"), Name: "web", Namespace: decision.Namespace{Name: "shop", Known: true},
	}
	base := Exemption{Name: "e", Policies: []string{"bound"}, Namespaces: []string{"shop"}, Until: now.Add(time.Hour)}
	for reason, change := range map[string]func(*Exemption){
		"":                                          func(*Exemption) {},
		"it has expired":                            func(e *Exemption) { e.Until = now },
		"its namespaces do not include shop":        func(e *Exemption) { e.Namespaces = []string{"other"} },
		"its kinds do not include Deployment":       func(e *Exemption) { e.Kinds = []Kind{{GroupKind: schema.GroupKind{Kind: "Pod"}}} },
		"its names do not match web":                func(e *Exemption) { e.Names = []string{"legacy-*"} },
		"no Guardrail honors it for never":          func(e *Exemption) { e.Policies = []string{"never"} },
		"no Guardrail binds unbound for the object": func(e *Exemption) { e.Policies = []string{"unbound"} },
	} {
		e := base
		change(&e)
		all := Exemptions{&e}
		explained := all.Explain(r, Guardrails{made}, now)[0]
		var exempts bool
		for _, policy := range e.Policies {
			for _, b := range (Guardrails{made}).Resolve(r, 0) {
				exempts = exempts || b.Policy.ID == policy && len(all.For(r, now).Exempting(made, policy, "")) > 0
			}
		}
		if explained.Reason != reason || explained.Applies != exempts || explained.Applies != (reason == "") {
			t.Errorf("want %q, and %v: %+v", reason, exempts, explained)
		}
	}
}
