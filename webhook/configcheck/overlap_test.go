package configcheck_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
)

type storedIn struct {
	stored

	namespaces []decision.Namespace
}

func (s storedIn) Namespaces(context.Context) ([]decision.Namespace, error) { return s.namespaces, nil }

// Guardrails that select the same namespace share the limits of a single one; others do not.
func TestGuardrailsThatShareANamespaceShareTheLimits(t *testing.T) {
	library := catalog(t)
	team := func(i int, label string) v1alpha1.Guardrail {
		g := guardrail(fmt.Sprintf("g-%d", i), v1alpha1.ModeEnforce, binding("min-replicas", fmt.Sprintf(`{"minimum": %d}`, 2+i)))
		if label != "" {
			g.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": label}}
		}
		return g
	}
	namespaces := []decision.Namespace{{Name: "shop", Known: true, Labels: map[string]string{"team": "a"}}}
	for name, c := range map[string]struct {
		label func(i int) string
		want  string
	}{
		"a team each":      {func(i int) string { return fmt.Sprint(i) }, ""},
		"one team":         {func(int) string { return "a" }, "namespace shop would have 9 different sets of parameters, but only 8 are allowed"},
		"every namespace":  {func(int) string { return "" }, "would have 9 different sets of parameters, but only 8 are allowed"},
		"a team not there": {func(int) string { return "b" }, ""},
	} {
		var objects config.Objects
		for i := range 8 {
			objects.Guardrails = append(objects.Guardrails, team(i, c.label(i)))
		}
		checker := configcheck.New(library, storedIn{stored{objects}, namespaces}, nil)
		r, _ := updateOf(t, team(8, c.label(8)), 0)
		r.Operation, r.Object, r.OldObject = decision.Create, r.OldObject, nil
		checked, err := checker.Check(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(checked.Faults); !strings.Contains(text, c.want) || (c.want == "") != (len(checked.Faults) == 0) {
			t.Errorf("%s: got %s", name, text)
		}
	}
}

// The author of a Policy is warned if it cannot decide a plain object, because it would refuse every object.
func TestAPolicyThatCannotDecideAPlainObjectIsWarnedOf(t *testing.T) {
	library := catalog(t)
	check := func(rule string) []string {
		p := manyPolicies(t, library, 1).Policies[0]
		at := strings.Index(p.Spec.Rego, "import data")
		p.Spec.Rego = p.Spec.Rego[:at] + rule
		object := map[string]any{
			"apiVersion": v1alpha1.GroupVersion().String(), "kind": config.KindPolicy,
			"metadata": map[string]any{"name": p.Name}, "spec": map[string]any{"rego": p.Spec.Rego},
		}
		checked, err := configcheck.New(library, stored{}, nil).Check(t.Context(), &decision.Request{Operation: decision.Create, Object: object})
		if err != nil || len(checked.Faults) > 0 {
			t.Fatal(checked, err)
		}
		return checked.Warnings
	}
	if got := check(`deny contains {"msg": "m", "path": "p"} if input.object.spec.replicas == 7`); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	got := check(`deny contains {"msg": "m", "path": "p"} if to_number(input.object.metadata.name) == 7`)
	if len(got) != 3 || !strings.Contains(got[0], "the Policy cannot decide a plain Deployment: it fails with eval_builtin_error at Policy/own-0:") {
		t.Errorf("got %q", got)
	}
}
