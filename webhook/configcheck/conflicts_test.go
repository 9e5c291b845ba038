package configcheck_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
)

// requests returns parameters of inject-resources.
func requests(cpu, memory string) string {
	return `{"requests":{"cpu":"` + cpu + `","memory":"` + memory + `"},"limits":{}}`
}

func TestConflictsBetweenInjections(t *testing.T) {
	inject := func(name, cpu, memory string) v1alpha1.Guardrail {
		return guardrail(name, v1alpha1.ModeEnforce, binding("inject-resources", requests(cpu, memory)))
	}
	selecting := func(g v1alpha1.Guardrail, label string) v1alpha1.Guardrail {
		g.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{label: "on"}}
		return g
	}
	warned := inject("soft", "30m", "64Mi")
	warned.Spec.Mode = v1alpha1.ModeWarn
	namespaces := []decision.Namespace{
		{Name: "one", Known: true, Labels: map[string]string{"a": "on"}}, {Name: "other", Known: true, Labels: map[string]string{"b": "on"}},
		{Name: "z-both", Known: true, Labels: map[string]string{"a": "on", "b": "on"}}, {Name: "both", Known: true, Labels: map[string]string{"a": "on", "b": "on"}},
	}
	const cpu, memory = "resources.requests.cpu", "resources.requests.memory"
	for name, test := range map[string]struct {
		guardrails []v1alpha1.Guardrail
		asked      int
		want       map[string][]configcheck.Conflict
	}{
		"one":                    {[]v1alpha1.Guardrail{inject("a", "10m", "64Mi")}, 0, nil},
		"two that agree":         {[]v1alpha1.Guardrail{inject("a", "10m", "64Mi"), inject("b", "0.01", "64Mi")}, 0, nil},
		"one of them only warns": {[]v1alpha1.Guardrail{inject("a", "10m", "64Mi"), warned}, 0, nil},
		"two that differ, everywhere": {[]v1alpha1.Guardrail{inject("a", "10m", "64Mi"), inject("b", "20m", "64Mi")}, 0, map[string][]configcheck.Conflict{
			"a": {{With: "b", Field: cpu, Value: "10m", Other: "20m", Everywhere: true}},
			"b": {{With: "a", Field: cpu, Value: "20m", Other: "10m", Everywhere: true}},
		}},
		"in two fields": {[]v1alpha1.Guardrail{inject("a", "10m", "64Mi"), inject("b", "20m", "32Mi")}, 0, map[string][]configcheck.Conflict{
			"a": {{With: "b", Field: cpu, Value: "10m", Other: "20m", Everywhere: true}, {With: "b", Field: memory, Value: "64Mi", Other: "32Mi", Everywhere: true}},
			"b": {{With: "a", Field: cpu, Value: "20m", Other: "10m", Everywhere: true}, {With: "a", Field: memory, Value: "32Mi", Other: "64Mi", Everywhere: true}},
		}},
		"with two others, by name": {[]v1alpha1.Guardrail{inject("c", "10m", "64Mi"), inject("b", "20m", "64Mi"), inject("a", "20m", "64Mi")}, 0, map[string][]configcheck.Conflict{
			"a": {{With: "c", Field: cpu, Value: "20m", Other: "10m", Everywhere: true}},
			"b": {{With: "c", Field: cpu, Value: "20m", Other: "10m", Everywhere: true}},
			"c": {{With: "a", Field: cpu, Value: "10m", Other: "20m", Everywhere: true}, {With: "b", Field: cpu, Value: "10m", Other: "20m", Everywhere: true}},
		}},
		"where both select": {[]v1alpha1.Guardrail{selecting(inject("a", "10m", "64Mi"), "a"), selecting(inject("b", "20m", "64Mi"), "b")}, 1, map[string][]configcheck.Conflict{
			"a": {{With: "b", Field: cpu, Value: "10m", Other: "20m", Namespaces: []string{"both", "z-both"}}},
			"b": {{With: "a", Field: cpu, Value: "20m", Other: "10m", Namespaces: []string{"both", "z-both"}}},
		}},
		"where nobody selects both": {[]v1alpha1.Guardrail{selecting(inject("a", "10m", "64Mi"), "a"), selecting(inject("b", "20m", "64Mi"), "none")}, 1, nil},
		"asked once for all pairs": {
			[]v1alpha1.Guardrail{selecting(inject("a", "10m", "64Mi"), "none"), selecting(inject("b", "20m", "64Mi"), "none"), selecting(inject("c", "30m", "64Mi"), "gone")}, 1, nil,
		},
		"of one Guardrail": {[]v1alpha1.Guardrail{
			guardrail("a", v1alpha1.ModeEnforce, binding("inject-resources", requests("10m", "64Mi")), binding("inject-resources", requests("20m", "64Mi"))),
		}, 0, map[string][]configcheck.Conflict{"a": {{Field: cpu, Value: "20m", Other: "10m", Everywhere: true}}}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			got, err := configcheck.Conflicts(t.Context(), build(t, test.guardrails...), func(context.Context) ([]decision.Namespace, error) {
				asked++
				return namespaces, nil
			})
			if err != nil || asked != test.asked {
				t.Errorf("asked %d times, %v", asked, err)
			}
			if len(got)+len(test.want) > 0 {
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	broken := errors.New("the API server is unavailable")
	s := build(t, selecting(inject("a", "10m", "64Mi"), "a"), selecting(inject("b", "20m", "64Mi"), "b"))
	if _, err := configcheck.Conflicts(t.Context(), s, func(context.Context) ([]decision.Namespace, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("the namespaces cannot be listed, but got %v", err)
	}
}

func TestConflictsAreTold(t *testing.T) {
	for want, c := range map[string]configcheck.Conflict{
		"f: Guardrail b requires 2 and this one 1, so neither is filled in (in every namespace)": {With: "b", Field: "f", Value: "1", Other: "2", Everywhere: true},
		"f: another binding requires 2 and this one 1, so neither is filled in (in a, b)":        {Field: "f", Value: "1", Other: "2", Namespaces: []string{"a", "b"}},
		"f: another binding requires 2 and this one 1, so neither is filled in (in a, b, c, d)": {
			Field: "f", Value: "1", Other: "2", Namespaces: []string{"a", "b", "c", "d"},
		},
		"f: another binding requires 2 and this one 1, so neither is filled in (in a, b, c and 2 more)": {
			Field: "f", Value: "1", Other: "2", Namespaces: []string{"a", "b", "c", "d", "e"},
		},
	} {
		if got := c.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
