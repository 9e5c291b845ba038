package config

import (
	"k8s.io/apimachinery/pkg/runtime"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
)

// The kinds of a configuration.
const (
	KindGuardrail = "Guardrail"
	KindExemption = "Exemption"
	KindPolicy    = "Policy"
)

// Objects is a configuration: what a cluster stores, or files hold.
type Objects struct {
	Guardrails []v1alpha1.Guardrail
	Exemptions []v1alpha1.Exemption
	Policies   []v1alpha1.Policy
}

// Object is a Guardrail, an Exemption or a Policy, by pointer.
type Object interface {
	metav1.Object
	runtime.Object
}

// newObject is nil for a kind that is none of a configuration's.
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
