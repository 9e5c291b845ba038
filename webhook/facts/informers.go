package facts

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Watched returns the objects whose informers must be synced before Facts is used.
func Watched() []client.Object {
	return []client.Object{
		namespaceMetadata(), &corev1.LimitRange{}, &corev1.ResourceQuota{}, &autoscalingv2.HorizontalPodAutoscaler{},
		&corev1.PersistentVolumeClaim{}, &storagev1.StorageClass{},
	}
}

// WatchedNamespaces returns the element of Watched for namespaces. Only their metadata is cached.
func WatchedNamespaces() client.Object { return namespaceMetadata() }

// CacheOptions returns the cache options for the objects that Facts reads. Reads from the cache
// are not deep-copied, which would cost too much per request: the results of Facts must not be
// modified.
func CacheOptions() map[client.Object]cache.ByObject {
	shared := true
	options := map[client.Object]cache.ByObject{}
	for _, object := range Watched() {
		options[object] = cache.ByObject{Transform: stripUnused, UnsafeDisableDeepCopy: &shared}
	}
	return options
}

// stripUnused removes what no policy reads, which is often most of an object's size.
func stripUnused(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return object, nil //nolint:nilerr // a tombstone has no metadata to remove
	}
	accessor.SetManagedFields(nil)
	accessor.SetOwnerReferences(nil)
	switch object := object.(type) {
	case *storagev1.StorageClass:
		return object, nil // an annotation marks the default class
	case *autoscalingv2.HorizontalPodAutoscaler:
		object.Spec.Metrics, object.Spec.Behavior = nil, nil
		object.Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
	case *corev1.PersistentVolumeClaim:
		object.Status = corev1.PersistentVolumeClaimStatus{}
	}
	accessor.SetAnnotations(nil)
	return object, nil
}
