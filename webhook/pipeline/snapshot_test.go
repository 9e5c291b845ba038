package pipeline_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
)

func TestBuildReportsAndLeavesOut(t *testing.T) {
	with := func(change func(*v1alpha1.GuardrailSpec)) v1alpha1.Guardrail {
		g := guardrail("one", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("require-probes", ""))
		change(&g.Spec)
		return g
	}
	tests := []struct {
		name     string
		g        v1alpha1.Guardrail
		bindings int
		fields   []string
	}{
		{"all is right", with(func(*v1alpha1.GuardrailSpec) {}), 2, nil},
		{"no name", guardrail("", v1alpha1.ModeEnforce, binding("image-tag", "")), 0, []string{"metadata.name"}},
		{"no mode", with(func(s *v1alpha1.GuardrailSpec) { s.Mode = "" }), 0, []string{"spec.mode"}},
		{"no mode, but the bindings have one", with(func(s *v1alpha1.GuardrailSpec) {
			s.Mode, s.Policies[0].Mode, s.Policies[1].Mode = "", v1alpha1.ModeWarn, v1alpha1.ModeWarn
		}), 0, []string{"spec.mode"}},
		{"a selector", with(func(s *v1alpha1.GuardrailSpec) {
			s.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
		}), 0, []string{"spec.namespaceSelector.matchExpressions[0].operator"}},
		{"an exception", with(func(s *v1alpha1.GuardrailSpec) { s.ExcludeNamespaces = []string{"kube-*"} }), 2, []string{"spec.excludeNamespaces[0]"}},
		{"a writer", with(func(s *v1alpha1.GuardrailSpec) { s.TrustedWriters.Users = []string{""} }), 2, []string{"spec.trustedWriters.users[0]"}},
		{"a binding's mode", with(func(s *v1alpha1.GuardrailSpec) { s.Policies[0].Mode = "shout" }), 1, []string{"spec.policies[0].mode"}},
		{"a binding's name", with(func(s *v1alpha1.GuardrailSpec) { s.Policies[0].Name = "nobody" }), 1, []string{"spec.policies[0].name"}},
		{"everything about a binding", with(func(s *v1alpha1.GuardrailSpec) {
			s.Policies[1] = binding("require-probes", `{"probes":7}`)
			s.Policies[1].Mode = "shout"
		}), 1, []string{"spec.policies[1].mode", "spec.policies[1].parameters.probes"}},
		{"a binding twice", with(func(s *v1alpha1.GuardrailSpec) { s.Policies[1] = s.Policies[0] }), 1, []string{"spec.policies[1]"}},
		// If a binding occurs twice, the valid one applies.
		{"a binding twice, the first one wrong", with(func(s *v1alpha1.GuardrailSpec) {
			s.Policies[1] = s.Policies[0]
			s.Policies[0].Mode = "shout"
		}), 1, []string{"spec.policies[0].mode"}},
		{"the eleventh binding and the second", with(func(s *v1alpha1.GuardrailSpec) {
			for range 9 {
				s.Policies = append(s.Policies, binding("nobody", ""))
			}
		}), 2, []string{
			"spec.policies[2].name", "spec.policies[3].name", "spec.policies[4].name", "spec.policies[5].name", "spec.policies[6].name",
			"spec.policies[7].name", "spec.policies[8].name", "spec.policies[9].name", "spec.policies[10].name",
		}},
		{"no policies", guardrail("one", v1alpha1.ModeEnforce), 0, []string{"spec.policies"}},
		{"no policy that is known", guardrail("one", v1alpha1.ModeEnforce, binding("nobody", "")), 0, []string{"spec.policies[0].name"}},
	}
	c := catalog(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, problems, err := config.Build(t.Context(), c, config.Objects{Guardrails: []v1alpha1.Guardrail{test.g}})
			if err != nil {
				t.Fatal(err)
			}
			if s.Bindings() != test.bindings {
				t.Errorf("%d bindings are in force, want %d", s.Bindings(), test.bindings)
			}
			var fields []string
			for _, p := range problems {
				if p.Inactive != (test.bindings == 0) {
					t.Errorf("Inactive is %v", p.Inactive)
				}
				for _, err := range p.Errors {
					fields = append(fields, err.Field)
				}
			}
			if diff := cmp.Diff(test.fields, fields); diff != "" {
				t.Error(diff)
			}
		})
	}
}
