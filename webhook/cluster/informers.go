package cluster

import (
	"context"
	"fmt"

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

// Watch starts the informers behind Facts and returns once they are synced. The cache
// must have been started, or be about to be.
func Watch(ctx context.Context, informers cache.Informers) error {
	for _, object := range []client.Object{namespaceMetadata(), &corev1.LimitRange{}, &corev1.ResourceQuota{}} {
		if _, err := informers.GetInformer(ctx, object); err != nil {
			return fmt.Errorf("watching %T: %w", object, err)
		}
	}
	return nil
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
