package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The API group and version of every kind in this package.
const (
	Group   = "taffrail.dev"
	Version = "v1alpha1"
)

// GroupVersion returns taffrail.dev/v1alpha1.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: Version}
}

// AddToScheme registers the kinds of this package.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion(), &Guardrail{}, &GuardrailList{}, &Exemption{}, &ExemptionList{}, &Policy{}, &PolicyList{})
	metav1.AddToGroupVersion(scheme, GroupVersion())
	return nil
}
