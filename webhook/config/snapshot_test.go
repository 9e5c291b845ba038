package config_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

func library(t *testing.T) *rego.Catalog {
	t.Helper()
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

func stored(name string, mode v1alpha1.Mode, bindings ...v1alpha1.PolicyBinding) v1alpha1.Guardrail {
	return v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.GuardrailSpec{Mode: mode, Policies: bindings}}
}

func binding(name, parameters string) v1alpha1.PolicyBinding {
	b := v1alpha1.PolicyBinding{Name: name}
	if parameters != "" {
		b.Parameters = &apiextensionsv1.JSON{Raw: []byte(parameters)}
	}
	return b
}

func ownPolicy(name, rule string) v1alpha1.Policy {
	return v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PolicySpec{Rego: "# METADATA\n# title: A title\n# description: A description.\n" +
		"# custom:\n#   id: " + name + "\n#   severity: high\n#   kinds: [Deployment.apps]\n#   remediation: Do it.\npackage taffrail.user." + name + "\n\n" + rule + "\n"}}
}

func TestBuildReportsAndLeavesOut(t *testing.T) {
	with := func(change func(*v1alpha1.GuardrailSpec)) v1alpha1.Guardrail {
		g := stored("one", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("require-probes", ""))
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
		{"no name", stored("", v1alpha1.ModeEnforce, binding("image-tag", "")), 0, []string{"metadata.name"}},
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
		// Of two that are the same, the sound one holds.
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
		{"no policies", stored("one", v1alpha1.ModeEnforce), 0, []string{"spec.policies"}},
		{"no policy that is known", stored("one", v1alpha1.ModeEnforce, binding("nobody", "")), 0, []string{"spec.policies[0].name"}},
	}
	c := library(t)
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

// What a snapshot is made of can be asked for.
func TestASnapshotTellsWhatIsInForce(t *testing.T) {
	one, other, broken := stored("b", v1alpha1.ModeEnforce, binding("image-tag", "")), stored("a", v1alpha1.ModeEnforce, binding("own", "")), stored("c", v1alpha1.ModeEnforce, binding("gone", ""))
	one.UID, one.Generation, other.UID, other.Generation = "u1", 3, "u2", 5
	other.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
	one.Spec.Exemptions = &v1alpha1.ExemptionLimits{MaxDuration: "24h"}
	exemption := func(name, policy string) v1alpha1.Exemption {
		return v1alpha1.Exemption{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ExemptionSpec{
			Policies: []string{policy}, Namespaces: []string{"shop"}, Reason: "r", Owner: "o", Expires: "2027-02-28",
		}}
	}
	own := []v1alpha1.Policy{
		ownPolicy("own", `deny contains {"msg": "m", "path": "p"} if input.object.spec.replicas == 7`), ownPolicy("broken", "deny contains x"),
	}
	s, problems, err := config.Build(t.Context(), library(t), config.Objects{
		Guardrails: []v1alpha1.Guardrail{one, other, broken}, Exemptions: []v1alpha1.Exemption{exemption("z", "image-tag"), exemption("y", "own")}, Policies: own,
	})
	if err != nil || len(problems) != 2 || problems[0].Name != "broken" || problems[1].Name != "c" {
		t.Fatal(problems, err)
	}
	if set := s.Guardrails(); len(set) != 2 || set[0].Name != "a" || set[1].Name != "b" || len(s.Guardrails()) != 2 || s.Bindings() != 2 {
		t.Errorf("got %v", set)
	}
	if got := fmt.Sprint(s.Versions()); got != "map[a:{u2 5} b:{u1 3}]" {
		t.Errorf("got %s", got)
	}
	if all := s.Exemptions(); len(all) != 2 || all[0].Name != "y" || all[1].Name != "z" {
		t.Errorf("got %v", all)
	}
	if _, known := s.Catalog().Policy("own"); !known {
		t.Error("a Policy that is in force is not there")
	}
	if _, known := s.Catalog().Policy("broken"); known {
		t.Error("a Policy that is not in force is there")
	}
	namespaces := []decision.Namespace{{Name: "x", Known: true}, {Name: "y", Known: true, Labels: map[string]string{"team": "a"}}}
	for name, want := range map[string]int{"a": 1, "b": 2, "c": 0, "": 0} {
		if got := s.Selected(name, namespaces); len(got) != want || want == 1 && got[0].Name != "y" {
			t.Errorf("%s selects %v", name, got)
		}
	}
	honored := s.Honored(s.Exemptions()[1], func(name string) decision.Namespace { return decision.Namespace{Name: name, Known: true} }, time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC))
	if len(honored) != 1 || honored[0].Guardrail != "b" || honored[0].Policy != "image-tag" {
		t.Errorf("got %+v", honored)
	}
}
