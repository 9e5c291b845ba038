package config

import (
	"k8s.io/apimachinery/pkg/runtime"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
)

// The kinds of configuration objects.
const (
	KindGuardrail = "Guardrail"
	KindExemption = "Exemption"
	KindPolicy    = "Policy"
)

// Objects is a configuration, from a cluster or from files.
type Objects struct {
	Guardrails []v1alpha1.Guardrail
	Exemptions []v1alpha1.Exemption
	Policies   []v1alpha1.Policy
}

// Object is a *Guardrail, *Exemption or *Policy.
type Object interface {
	metav1.Object
	runtime.Object
}

// newObject returns nil for an unknown kind.
func newObject(kind string) Object {
	switch kind {
	case KindGuardrail:
		return &v1alpha1.Guardrail{}
	case KindExemption:
		return &v1alpha1.Exemption{}
	case KindPolicy:
		return &v1alpha1.Policy{}
	}
	return nil
}

func (o *Objects) add(one Object) {
	switch one := one.(type) {
	case *v1alpha1.Guardrail:
		o.Guardrails = append(o.Guardrails, *one)
	case *v1alpha1.Exemption:
		o.Exemptions = append(o.Exemptions, *one)
	case *v1alpha1.Policy:
		o.Policies = append(o.Policies, *one)
	}
}
