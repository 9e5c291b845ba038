package replay

import (
	"bytes"
	"container/list"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// objectKey identifies an object by its name.
type objectKey struct {
	resource
	namespace, object string
}

// known is the last known state of an object.
type known struct {
	key objectKey
	head
	// text is the object as JSON, compressed.
	text []byte
	// born is true if the log has the object's creation.
	born bool
}

// store has the last known state of objects. Once they take more than a limit, it forgets those that were written
// longest ago.
type store struct {
	limit, size int
	objects     map[objectKey]*list.Element
	// recent has the objects, the one written last first.
	recent *list.List
	// names has the names of the objects, by resource and namespace.
	names map[objectKey]map[string]struct{}
	// evicted counts the objects that were forgotten for want of memory.
	evicted int64

	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// overhead is what an object takes besides its text, approximately.
const overhead = 600

func newStore(limit int) (*store, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(64<<10))
	if err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return &store{
		limit: limit, objects: map[objectKey]*list.Element{}, recent: list.New(), names: map[objectKey]map[string]struct{}{}, encoder: encoder, decoder: decoder,
	}, nil
}

func (s *store) get(key objectKey) *known {
	element := s.objects[key]
	if element == nil {
		return nil
	}
	k, _ := element.Value.(*known)
	return k
}

// textOf returns the JSON text of an object, or nil.
func (s *store) textOf(k *known) []byte {
	text, err := s.decoder.DecodeAll(k.text, nil)
	if err != nil {
		return nil
	}
	return text
}

// put replaces the state of an object.
func (s *store) put(key objectKey, h head, text []byte, born bool) {
	s.remove(key)
	k := &known{key: key, head: h, text: s.encoder.EncodeAll(text, nil), born: born}
	// The texts of the head would keep the whole event.
	k.labels, k.annotations = bytes.Clone(h.labels), nil
	s.objects[key] = s.recent.PushFront(k)
	in := objectKey{resource: key.resource, namespace: key.namespace}
	if s.names[in] == nil {
		s.names[in] = map[string]struct{}{}
	}
	s.names[in][key.object] = struct{}{}
	s.size += len(k.text) + overhead
	for s.size > s.limit && s.recent.Len() > 1 {
		oldest, _ := s.recent.Back().Value.(*known)
		s.remove(oldest.key)
		s.evicted++
	}
}

func (s *store) remove(key objectKey) {
	element := s.objects[key]
	if element == nil {
		return
	}
	k, _ := s.recent.Remove(element).(*known)
	s.size -= len(k.text) + overhead
	delete(s.objects, key)
	in := objectKey{resource: key.resource, namespace: key.namespace}
	if delete(s.names[in], key.object); len(s.names[in]) == 0 {
		delete(s.names, in)
	}
}

// removeAll removes the objects of a resource in a namespace.
func (s *store) removeAll(r resource, namespace string) {
	for name := range s.names[objectKey{resource: r, namespace: namespace}] {
		s.remove(objectKey{r, namespace, name})
	}
}

// isLater reports whether a resourceVersion is later than another. It is false if that cannot be known.
func isLater(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order > 0
}
