package facts

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// maxCreations limits the size of the cache. An entry takes about 300 bytes.
const maxCreations = 10_000

// creation identifies one incarnation of an object.
type creation struct {
	kind                 schema.GroupVersionKind
	namespace, name, uid string
}

// creations caches metadata that never changes: the creation time and the controller of an
// object. It is cleared when it is full.
type creations struct {
	mutex sync.Mutex
	all   map[creation]*metav1.PartialObjectMetadata
}

func newCreations() *creations {
	return &creations{all: map[creation]*metav1.PartialObjectMetadata{}}
}

func (c *creations) get(key creation) *metav1.PartialObjectMetadata {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.all[key]
}

func (c *creations) put(key creation, object *metav1.PartialObjectMetadata) {
	kept := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{UID: object.UID, CreationTimestamp: object.CreationTimestamp}}
	if controller := metav1.GetControllerOf(object); controller != nil {
		kept.OwnerReferences = []metav1.OwnerReference{*controller}
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.all) >= maxCreations {
		clear(c.all)
	}
	c.all[key] = kept
}

// Metadata returns the metadata of an object, or nil if the object does not exist or its UID is
// not the given one. With a UID, the result may be cached and contain only the UID, the
// creationTimestamp and the controller.
func (l *Live) Metadata(ctx context.Context, kind schema.GroupVersionKind, namespace, name, uid string) (*metav1.PartialObjectMetadata, error) {
	key := creation{kind, namespace, name, uid}
	if uid != "" {
		if known := l.known.get(key); known != nil {
			return known, nil
		}
	}
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	err := l.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s %s/%s: %w", kind.Kind, namespace, name, err)
	case uid != "" && string(object.UID) != uid:
		return nil, nil
	}
	if uid != "" {
		l.known.put(key, object)
	}
	return object, nil
}
