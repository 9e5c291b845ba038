package chart

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
)

func catalog(t *testing.T) *rego.Catalog {
	t.Helper()
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	return library
}

// guardrails parses the rendered Guardrails as strictly as taffrail check -c does.
func guardrails(t *testing.T, h *Helm, r Release) []v1alpha1.Guardrail {
	t.Helper()
	dir := t.TempDir()
	for _, object := range render(t, h, r) {
		if object.GetKind() != "Guardrail" {
			continue
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, object.GetName()+".yaml"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, errs := config.LoadFiles(dir)
	if len(errs) == 0 {
		errs = set.Check(catalog(t))
	}
	for _, err := range errs {
		t.Error(err)
	}
	return set.Objects().Guardrails
}

// The values list the built-in Guardrails, so that people can see and change them. A new policy of the library
// fails this test until the values have it.
func TestGuardrailsAreThoseOfTheBinary(t *testing.T) {
	h := helm4(t)
	want := config.Default(catalog(t))
	for i := range want {
		want[i].Spec.ExcludeNamespaces = []string{"kube-system", "kube-node-lease", "kube-public", "taffrail-system"}
	}
	got := guardrails(t, h, release())
	for i := range got {
		got[i].ObjectMeta = metav1.ObjectMeta{Name: got[i].Name}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-the binary's +the chart's:\n%s", diff)
	}
}

func TestEveryGuardrailIsSound(t *testing.T) {
	h := helm4(t)
	for name, r := range releases() {
		if got := len(guardrails(t, h, r)); got != 2 {
			t.Errorf("%s: %d Guardrails", name, got)
		}
	}
}

// Values for all Guardrails are part of each of them, in addition to its own.
func TestGuardrailsTakeWhatHoldsForAll(t *testing.T) {
	h := helm4(t)
	r := release("eks")
	r.Values = `
excludeNamespaces: [kube-system, legacy]
namespaceSelector:
  matchLabels: {taffrail.dev/guard: enabled}
  matchExpressions: [{key: tier, operator: NotIn, values: [sandbox]}]
trustedWriters: {groups: ["system:serviceaccounts:argocd"]}
guardrails:
  chapter: null
  restricted:
    excludeNamespaces: [ingress]
    trustedWriters: {users: [deployer]}
    policies:
    - name: restricted-service-type
      parameters: {types: [LoadBalancer, NodePort]}
`
	got := guardrails(t, h, r)
	if len(got) != 1 {
		t.Fatalf("%d Guardrails, want restricted alone", len(got))
	}
	want := v1alpha1.GuardrailSpec{
		Mode: v1alpha1.ModeEnforce, Existing: v1alpha1.ExistingTolerate,
		NamespaceSelector: &metav1.LabelSelector{
			MatchLabels:      map[string]string{"taffrail.dev/exposure": "restricted", "taffrail.dev/guard": "enabled"},
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"sandbox"}}},
		},
		ExcludeNamespaces: []string{"ingress", "kube-system", "legacy", "taffrail-system"},
		TrustedWriters: v1alpha1.TrustedWriters{
			Users:  []string{"deployer", "eks:addon-manager", "eks:cluster-bootstrap", "eks:vpc-resource-controller"},
			Groups: []string{"system:serviceaccounts:argocd"},
		},
		Policies: got[0].Spec.Policies,
	}
	if diff := cmp.Diff(want, got[0].Spec); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if parameters := string(got[0].Spec.Policies[0].Parameters.Raw); parameters != `{"types":["LoadBalancer","NodePort"]}` {
		t.Errorf("parameters %s", parameters)
	}
}
