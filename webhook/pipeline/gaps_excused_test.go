package pipeline

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

func exemptingGuardrail(t interface{ Fatal(...any) }, name string, spec v1alpha1.GuardrailSpec, policies ...string) *config.Guardrail {
	var bindings []config.Binding
	for _, id := range policies {
		policy := &rego.Policy{ID: id, Kinds: []schema.GroupKind{{Group: "apps", Kind: "Deployment"}, {Kind: "Pod"}}}
		bindings = append(bindings, config.Binding{Policy: policy, Mode: decision.ModeEnforce})
	}
	g, err := config.NewGuardrail(&v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, bindings)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A finding that no rule reports is exempt if all Guardrails that require it honour the same Exemption.
func TestFindingsOfNoRuleAreExcusedByAllThatAsk(t *testing.T) {
	created := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	never := v1alpha1.GuardrailSpec{Exemptions: &v1alpha1.ExemptionLimits{Never: []string{"a"}}}
	hour := v1alpha1.GuardrailSpec{Exemptions: &v1alpha1.ExemptionLimits{MaxDuration: "1h"}}
	guardrails := config.Guardrails{
		exemptingGuardrail(t, "free", v1alpha1.GuardrailSpec{}, "a", "b"), exemptingGuardrail(t, "hour", hour, "a"), exemptingGuardrail(t, "never", never, "a"),
	}
	exemption := func(name string, until time.Duration, containers ...string) *config.Exemption {
		return &config.Exemption{Name: name, Policies: []string{"a"}, Namespaces: []string{"*"}, Containers: containers, Created: created, Until: created.Add(until)}
	}
	r := &decision.Request{Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Name: "web", Namespace: decision.Namespace{Name: "shop"}}
	all := config.Exemptions{
		exemption("long", 9*time.Hour), exemption("main", 2*time.Hour, "main"), exemption("short", time.Hour),
	}
	for name, c := range map[string]struct {
		policy, container string
		asking            []string
		after             time.Duration
		want              []string
	}{
		"one that asks":                   {"a", "main", []string{"free"}, 0, []string{"long", "main", "short"}},
		"another container":               {"a", "other", []string{"free"}, 0, []string{"long", "short"}},
		"two that ask":                    {"a", "main", []string{"free", "hour"}, 0, []string{"long", "main", "short"}},
		"two of which one honours none":   {"a", "main", []string{"free", "hour"}, time.Hour + 1, nil},
		"two of which the other does not": {"a", "main", []string{"free", "never"}, 0, nil},
		"only the one of two that asks":   {"a", "main", []string{"free"}, time.Hour + 1, []string{"long", "main"}},
		"another policy":                  {"b", "main", []string{"free"}, 0, nil},
		"nobody that asks":                {"a", "main", nil, 0, nil},
	} {
		e := evidence{request: r, exemptions: all.For(r, created.Add(c.after))}
		gaps := []decision.Finding{
			{Policy: c.policy, Container: c.container, Guardrails: c.asking, Mode: decision.ModeEnforce},
		}
		for _, g := range guardrails {
			for _, b := range g.Bindings {
				e.bindings, e.results = append(e.bindings, config.AppliedBinding{Binding: b, Guardrail: g}), append(e.results, decision.Result{})
			}
		}
		if got := e.decision(nil, gaps).Findings[0].Exemptions; !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
