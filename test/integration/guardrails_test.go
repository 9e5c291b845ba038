package integration

import (
	"bytes"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"taffrail.dev/test/golden"
	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// modeLabel on a namespace opts in to one of testGuardrails: enforce, warn or audit.
const modeLabel = "test.taffrail.dev/mode"

const guardrailsHeader = `# The Guardrails that the tests share; -update writes this file.
#
# chapter and restricted are the built-in default, but for chapter's selector: the default selects every namespace, and
# these tests need namespaces that differ. team-warn and team-audit bind the same policies for namespaces that opt in by
# a label, under the mode that their label names.
`

// testGuardrails derives the Guardrails from the built-in default, so that a new policy of the library is
// tested here immediately.
func testGuardrails() ([]v1alpha1.Guardrail, error) {
	defaults, err := harness.DefaultGuardrails()
	if err != nil {
		return nil, err
	}
	optIn := func(mode v1alpha1.Mode) v1alpha1.Guardrail {
		g := v1alpha1.Guardrail{TypeMeta: defaults[0].TypeMeta, ObjectMeta: metav1.ObjectMeta{Name: "team-" + string(mode)}}
		g.Spec = v1alpha1.GuardrailSpec{Mode: mode, Existing: v1alpha1.ExistingTolerate, NamespaceSelector: selecting(string(mode))}
		for _, d := range defaults {
			for _, binding := range d.Spec.Policies {
				g.Spec.Policies = append(g.Spec.Policies, v1alpha1.PolicyBinding{Name: binding.Name})
			}
		}
		return g
	}
	for i := range defaults {
		if defaults[i].Name == "chapter" {
			defaults[i].Spec.NamespaceSelector = selecting("enforce")
		}
	}
	return append(defaults, optIn(v1alpha1.ModeWarn), optIn(v1alpha1.ModeAudit)), nil
}

func selecting(mode string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{modeLabel: mode}}
}

// guardrailFile returns YAML for taffrail check -c.
func guardrailFile(guardrails []v1alpha1.Guardrail) ([]byte, error) {
	var file bytes.Buffer
	file.WriteString(guardrailsHeader)
	for i := range guardrails {
		encoded, err := yaml.Marshal(map[string]any{
			"apiVersion": guardrails[i].APIVersion, "kind": guardrails[i].Kind,
			"metadata": map[string]string{"name": guardrails[i].Name}, "spec": guardrails[i].Spec,
		})
		if err != nil {
			return nil, err
		}
		file.WriteString("---\n")
		file.Write(encoded)
	}
	return file.Bytes(), nil
}

func TestGuardrailsFileIsCurrent(t *testing.T) {
	guardrails, err := testGuardrails()
	if err != nil {
		t.Fatal(err)
	}
	file, err := guardrailFile(guardrails)
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/guardrails.yaml", string(file))
}
