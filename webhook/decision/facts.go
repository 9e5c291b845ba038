package decision

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Facts has the additional objects for a decision: of each requested kind, all that exist. It
// is read-only.
type Facts struct {
	LimitRanges            []*corev1.LimitRange
	ResourceQuotas         []*corev1.ResourceQuota
	Autoscalers            []*autoscalingv2.HorizontalPodAutoscaler
	PersistentVolumeClaims []*corev1.PersistentVolumeClaim
	StorageClasses         []*storagev1.StorageClass
	// Fresh is true if the objects were read from the API server for this request, bypassing
	// caches.
	Fresh bool
	// Unread maps each requested kind that could not be read to the reason. It is empty in
	// admission, where such a request is not decided.
	Unread map[Fact]string
}

// Of returns the objects of one kind of facts.
func (f *Facts) Of(fact Fact) []metav1.Object {
	switch fact {
	case FactLimitRanges:
		return objects(f.LimitRanges)
	case FactResourceQuotas:
		return objects(f.ResourceQuotas)
	case FactAutoscalers:
		return objects(f.Autoscalers)
	case FactClaims:
		return objects(f.PersistentVolumeClaims)
	case FactStorageClasses:
		return objects(f.StorageClasses)
	}
	return nil
}

func objects[T metav1.Object](typed []T) []metav1.Object {
	all := make([]metav1.Object, len(typed))
	for i, object := range typed {
		all[i] = object
	}
	return all
}

// SetUnread records why a kind of facts could not be read.
func (f *Facts) SetUnread(fact Fact, reason string) {
	if f.Unread == nil {
		f.Unread = map[Fact]string{}
	}
	f.Unread[fact] = reason
}

// Add adds an object of one of the kinds of facts. It ignores any other.
func (f *Facts) Add(object metav1.Object) {
	switch object := object.(type) {
	case *corev1.LimitRange:
		f.LimitRanges = append(f.LimitRanges, object)
	case *corev1.ResourceQuota:
		f.ResourceQuotas = append(f.ResourceQuotas, object)
	case *autoscalingv2.HorizontalPodAutoscaler:
		f.Autoscalers = append(f.Autoscalers, object)
	case *corev1.PersistentVolumeClaim:
		f.PersistentVolumeClaims = append(f.PersistentVolumeClaims, object)
	case *storagev1.StorageClass:
		f.StorageClasses = append(f.StorageClasses, object)
	}
}

// Replace replaces the objects of one kind of facts with those of from.
func (f *Facts) Replace(fact Fact, from *Facts) {
	switch fact {
	case FactLimitRanges:
		f.LimitRanges = from.LimitRanges
	case FactResourceQuotas:
		f.ResourceQuotas = from.ResourceQuotas
	case FactAutoscalers:
		f.Autoscalers = from.Autoscalers
	case FactClaims:
		f.PersistentVolumeClaims = from.PersistentVolumeClaims
	case FactStorageClasses:
		f.StorageClasses = from.StorageClasses
	}
}
