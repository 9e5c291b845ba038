package live

import (
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// factKind is a kind of objects that are facts.
type factKind struct {
	fact     decision.Fact
	kind     schema.GroupVersionKind
	resource string
	newList  func() client.ObjectList
}

// namespaceKind is the kind whose labels Guardrails select by. It is no decision.Fact.
var namespaceKind = factKind{"", corev1.SchemeGroupVersion.WithKind("Namespace"), "namespaces", func() client.ObjectList { return &corev1.NamespaceList{} }}

// factKinds are the kinds of decision.AllFacts.
var factKinds = []factKind{
	{decision.FactLimitRanges, corev1.SchemeGroupVersion.WithKind("LimitRange"), "limitranges", func() client.ObjectList { return &corev1.LimitRangeList{} }},
	{decision.FactResourceQuotas, corev1.SchemeGroupVersion.WithKind("ResourceQuota"), "resourcequotas", func() client.ObjectList { return &corev1.ResourceQuotaList{} }},
	{decision.FactAutoscalers, autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"), "horizontalpodautoscalers", func() client.ObjectList { return &autoscalingv2.HorizontalPodAutoscalerList{} }},
	{decision.FactClaims, corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), "persistentvolumeclaims", func() client.ObjectList { return &corev1.PersistentVolumeClaimList{} }},
	{decision.FactStorageClasses, storagev1.SchemeGroupVersion.WithKind("StorageClass"), "storageclasses", func() client.ObjectList { return &storagev1.StorageClassList{} }},
}

func kindOf(fact decision.Fact) (factKind, bool) {
	at := slices.IndexFunc(factKinds, func(k factKind) bool { return k.fact == fact })
	if at < 0 {
		return factKind{}, false
	}
	return factKinds[at], true
}

// namespaced reports whether the objects of the kind are in namespaces.
func (k factKind) namespaced() bool { return k.fact != "" && k.fact != decision.FactStorageClasses }

func isFact(kind schema.GroupVersionKind) bool {
	return kind == namespaceKind.kind || slices.ContainsFunc(factKinds, func(k factKind) bool { return k.kind == kind })
}

func scopeOf(kind schema.GroupVersionKind) meta.RESTScope {
	if slices.ContainsFunc(factKinds, func(k factKind) bool { return k.kind == kind && k.namespaced() }) {
		return meta.RESTScopeNamespace
	}
	return meta.RESTScopeRoot
}

// trim removes from a fact what no decision reads: most of an object's size, and annotations, in
// which anything may be stored.
func trim(object client.Object) {
	kept := metav1.ObjectMeta{Name: object.GetName(), Namespace: object.GetNamespace(), CreationTimestamp: object.GetCreationTimestamp()}
	switch object := object.(type) {
	case *corev1.Namespace:
		kept.Labels = object.Labels
		*object = corev1.Namespace{TypeMeta: object.TypeMeta, ObjectMeta: kept}
	case *corev1.LimitRange:
		object.ObjectMeta = kept
	case *corev1.ResourceQuota:
		object.ObjectMeta = kept
	case *autoscalingv2.HorizontalPodAutoscaler:
		object.ObjectMeta = kept
		object.Spec.Metrics, object.Spec.Behavior, object.Status = nil, nil, autoscalingv2.HorizontalPodAutoscalerStatus{}
	case *corev1.PersistentVolumeClaim:
		object.ObjectMeta = kept
		object.Status = corev1.PersistentVolumeClaimStatus{}
	case *storagev1.StorageClass:
		if value, found := object.Annotations[defaultClass]; found {
			kept.Annotations = map[string]string{defaultClass: value}
		}
		*object = storagev1.StorageClass{TypeMeta: object.TypeMeta, ObjectMeta: kept, Provisioner: object.Provisioner}
	case *v1alpha1.Guardrail:
		object.ObjectMeta = kept
		object.Status = v1alpha1.GuardrailStatus{MaxMode: object.Status.MaxMode, Injection: object.Status.Injection}
	case *v1alpha1.Exemption:
		object.ObjectMeta = kept
		object.Status = v1alpha1.ExemptionStatus{}
	case *v1alpha1.Policy:
		object.ObjectMeta = kept
		object.Status = v1alpha1.PolicyStatus{LastGood: object.Status.LastGood}
	}
}

// defaultClass is the annotation that marks the default StorageClass.
const defaultClass = "storageclass.kubernetes.io/is-default-class"
