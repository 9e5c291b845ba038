package cluster

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// CacheOptions is what a cache needs to know about the objects that Facts reads. They
// are not copied on the way out, which a decision per request would pay for: what
// Facts answers is read-only.
func CacheOptions() map[client.Object]cache.ByObject {
	shared := true
	options := cache.ByObject{Transform: slim, UnsafeDisableDeepCopy: &shared}
	return map[client.Object]cache.ByObject{
		namespaceMetadata():     options,
		&corev1.LimitRange{}:    options,
		&corev1.ResourceQuota{}: options,
	}
}

// Watched are the objects whose informers must be synced before Facts is asked.
func Watched() []client.Object {
	return []client.Object{namespaceMetadata(), &corev1.LimitRange{}, &corev1.ResourceQuota{}}
}

// slim drops what no policy reads and what often is most of an object's weight.
func slim(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return object, nil //nolint:nilerr // A tombstone has no metadata, and none to drop.
	}
	accessor.SetManagedFields(nil)
	accessor.SetAnnotations(nil)
	accessor.SetOwnerReferences(nil)
	return object, nil
}
