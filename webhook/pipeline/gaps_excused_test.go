package pipeline

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// A finding that no rule reports is exempt if all Guardrails that require it honor the same Exemption.
func TestFindingsOfNoRuleAreExcusedByAllThatAsk(t *testing.T) {
	created := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	bound := []asked{
		{guardrail: "free", policy: "a"}, {guardrail: "free", policy: "b"},
		{guardrail: "hour", policy: "a", exemptions: &v1alpha1.ExemptionLimits{MaxDuration: "1h"}},
		{guardrail: "never", policy: "a", exemptions: &v1alpha1.ExemptionLimits{Never: []string{"a"}}},
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
		"two of which one honors none":    {"a", "main", []string{"free", "hour"}, time.Hour + 1, nil},
		"two of which the other does not": {"a", "main", []string{"free", "never"}, 0, nil},
		"only the one of two that asks":   {"a", "main", []string{"free"}, time.Hour + 1, []string{"long", "main"}},
		"another policy":                  {"b", "main", []string{"free"}, 0, nil},
		"nobody that asks":                {"a", "main", nil, 0, nil},
	} {
		e := evidenceOf(t, r, bound...)
		e.exemptions = all.For(r, created.Add(c.after))
		gaps := []decision.Finding{
			{Policy: c.policy, Container: c.container, Guardrails: c.asking, Mode: decision.ModeEnforce},
		}
		if got := e.decision(nil, gaps).Findings[0].Exemptions; !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
