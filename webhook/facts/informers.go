package facts

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
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
// modified. Of the annotations of namespaces, those with the given names are kept.
func CacheOptions(annotations ...string) map[client.Object]cache.ByObject {
	shared := true
	options := map[client.Object]cache.ByObject{}
	for _, object := range Watched() {
		options[object] = cache.ByObject{Transform: stripUnused(annotations), UnsafeDisableDeepCopy: &shared}
	}
	return options
}

// stripUnused returns a function that removes what no policy reads, which is often most of an object's size.
func stripUnused(annotations []string) toolscache.TransformFunc {
	return func(object any) (any, error) {
		accessor, err := meta.Accessor(object)
		if err != nil {
			return object, nil //nolint:nilerr // a tombstone has no metadata to remove
		}
		accessor.SetManagedFields(nil)
		accessor.SetOwnerReferences(nil)
		switch object := object.(type) {
		case *storagev1.StorageClass:
			return object, nil // an annotation marks the default class
		case *metav1.PartialObjectMetadata:
			object.Annotations = named(object.Annotations, annotations)
			return object, nil
		case *autoscalingv2.HorizontalPodAutoscaler:
			object.Spec.Metrics, object.Spec.Behavior = nil, nil
			object.Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
		case *corev1.PersistentVolumeClaim:
			object.Status = corev1.PersistentVolumeClaimStatus{}
		}
		accessor.SetAnnotations(nil)
		return object, nil
	}
}

// named returns the annotations that have one of the names, or nil if there are none.
func named(annotations map[string]string, names []string) (found map[string]string) {
	for _, name := range names {
		if value, ok := annotations[name]; ok {
			if found == nil {
				found = map[string]string{}
			}
			found[name] = value
		}
	}
	return found
}
