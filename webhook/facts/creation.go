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

// maxCreations bounds how many are remembered. One takes some 300 bytes.
const maxCreations = 10_000

// creation identifies an object that was created once.
type creation struct {
	kind                 schema.GroupVersionKind
	namespace, name, uid string
}

// creations remembers metadata that never changes: when an object was created, and by whom it
// is controlled. It starts over when it is full.
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

// Metadata reads the metadata of an object; nil if there is none, or it has another uid than
// one that is given. With a uid, more than when it was created and its controller may be
// missing.
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
