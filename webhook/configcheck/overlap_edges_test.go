package configcheck_test

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// Limits shared by Guardrails apply exactly at their boundary, count only what is in force, and do not refuse
// what already exceeded them.
func TestSharedLimitsAtTheirEdge(t *testing.T) {
	// tags returns a Guardrail whose parameters have the given size: nine texts, the last of which fills up the
	// rest.
	tags := func(name string, bytes int) v1alpha1.Guardrail {
		text := strings.Repeat(`"`+strings.Repeat("a", 900)+`",`, 8)
		rest := bytes - len(`{"tags":[""]}`) - len(text)
		return *enforcing(name, binding("image-tag", `{"tags":[`+text+`"`+strings.Repeat("a", rest)+`"]}`))
	}
	odd := *enforcing("odd", binding("image-tag", ""))
	odd.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
	elsewhere := *enforcing("elsewhere", binding("require-probes", ""))
	half := config.MaxParameters / 2
	const shared = `spec.policies: Invalid value: "image-tag": together with other Guardrails, namespace shop would have parameters of 16385 bytes, but only 16384 are allowed: merge them, or select other namespaces`
	namespaces := []decision.Namespace{{Name: "shop", Known: true}}
	for name, c := range map[string]struct {
		stored []v1alpha1.Guardrail
		g      v1alpha1.Guardrail
		want   string
	}{
		"to the last byte":       {[]v1alpha1.Guardrail{tags("a", half)}, tags("b", half), ""},
		"one byte more":          {[]v1alpha1.Guardrail{tags("a", half)}, tags("b", half+1), shared},
		"its own former version": {[]v1alpha1.Guardrail{tags("b", half+7), tags("a", half)}, tags("b", half), ""},
		"one that is not valid":  {[]v1alpha1.Guardrail{odd, tags("a", half), elsewhere}, tags("b", half+1), shared},
	} {
		stored := &configured{objects: config.Objects{Guardrails: c.stored}, namespaces: namespaces}
		if faults, warnings := stored.faultsOf(t, written(t, &c.g, nil)); faults != c.want || warnings != "" {
			t.Errorf("%s: got %.500s, and the warnings %.300s", name, faults, warnings)
		}
	}
	was, now := tags("b", half+1), tags("b", half+1)
	now.Spec.Mode = v1alpha1.ModeWarn
	stored := &configured{objects: config.Objects{Guardrails: []v1alpha1.Guardrail{tags("a", half), was}}, namespaces: namespaces}
	if faults, warnings := stored.faultsOf(t, written(t, &now, &was)); faults != "" || !strings.HasPrefix(warnings, "existing error: spec.policies: Invalid value:") {
		t.Errorf("what was so before: got %.300s, and the warnings %.300s", faults, warnings)
	}
	// Without the namespaces it is unknown whether the limits were exceeded before.
	away := errors.New("away")
	broken := &configured{objects: stored.objects, namespacesErr: away}
	if _, err := broken.check(t, written(t, &now, &was)); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}
