package config

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// The label by which a namespace opts in to the built-in Guardrail restricted.
const (
	exposureLabel      = "taffrail.dev/exposure"
	exposureRestricted = "restricted"
)

// Default returns the Guardrails that apply if none are configured. They bind every policy of
// the library in the mode of its METADATA: in all but the system namespaces, or, if the
// METADATA names the Guardrail restricted, in namespaces with the opt-in label.
func Default(catalog *rego.Catalog) []v1alpha1.Guardrail {
	excluded := []string{metav1.NamespaceSystem, "kube-node-lease", metav1.NamespacePublic}
	chapter := defaultGuardrail(rego.GuardrailChapter, &metav1.LabelSelector{}, excluded)
	restricted := defaultGuardrail(rego.GuardrailRestricted, &metav1.LabelSelector{
		MatchLabels: map[string]string{exposureLabel: exposureRestricted},
	}, nil)
	for _, policy := range catalog.Policies() {
		if policy.User {
			continue
		}
		to := &chapter.Spec
		if policy.DefaultGuardrail == rego.GuardrailRestricted {
			to = &restricted.Spec
		}
		binding := v1alpha1.PolicyBinding{Name: policy.ID}
		if policy.DefaultMode != decision.ModeEnforce {
			binding.Mode = v1alpha1.Mode(policy.DefaultMode.String())
		}
		to.Policies = append(to.Policies, binding)
	}
	var list []v1alpha1.Guardrail
	for _, g := range []v1alpha1.Guardrail{chapter, restricted} {
		if len(g.Spec.Policies) > 0 {
			list = append(list, g)
		}
	}
	return list
}

func defaultGuardrail(name rego.DefaultGuardrail, selector *metav1.LabelSelector, excluded []string) v1alpha1.Guardrail {
	return v1alpha1.Guardrail{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "Guardrail"},
		ObjectMeta: metav1.ObjectMeta{Name: string(name)},
		Spec: v1alpha1.GuardrailSpec{
			Mode: v1alpha1.ModeEnforce, NamespaceSelector: selector, ExcludeNamespaces: excluded,
			Existing: v1alpha1.ExistingTolerate,
		},
	}
}
