package replay

import (
	"bytes"
	"container/list"
	"encoding/json"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	kjson "sigs.k8s.io/json"
)

// objectKey identifies an object by its name.
type objectKey struct {
	resource
	namespace, object string
}

// known is the last known state of an object.
type known struct {
	key objectKey
	// head has no annotations and no owners.
	head
	// controller is the UID of the object that controls a revision, or empty.
	controller string
	// text is the object as JSON, compressed unless it is recent.
	text       []byte
	compressed bool
	// born is true if the log has the object's creation.
	born bool
}

// size returns what the object takes, approximately.
func (k *known) size() int {
	return overhead + len(k.text) + len(k.labels) + len(k.key.namespace) + 2*len(k.key.object)
}

// labelSet returns the labels of an object.
func (k *known) labelSet() labels.Set {
	var set labels.Set
	if json.Unmarshal(orEmpty(k.labels), &set) != nil {
		return nil // the API server accepts only strings
	}
	return set
}

// store has the last known state of objects. Once they take more than a limit, it forgets those that were written
// longest ago.
type store struct {
	limit, size int
	objects     map[objectKey]*list.Element
	// recent has the objects, the one written last first.
	recent *list.List
	// raw is the size of the texts that are not compressed, which are those of the objects from the first to oldestRaw.
	raw       int
	oldestRaw *list.Element
	// in has the objects of each resource and namespace.
	in map[objectKey]map[string]*known
	// doubts has the resources and namespaces of which there may be more objects than those known, with the reason.
	doubts map[objectKey]string
	// doubtAll is set if there are too many of these.
	doubtAll bool
	// seen has the resources of which the log has had an object.
	seen map[resource]bool
	// evicted counts the objects that were forgotten for want of memory.
	evicted int64

	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

const (
	// overhead is what an object takes besides its texts, approximately.
	overhead = 600
	// rawShare is the part of the limit that uncompressed texts may take: most objects that are written again are
	// written again soon.
	rawShare = 4
	// maxDoubts limits the memory for doubts.
	maxDoubts = 10_000
)

// The reasons for which revisions may be missing. They are part of reports.
const (
	doubtEvicted = "revisions were forgotten for want of memory, and this may be a rollback to one of them"
	doubtWritten = "the log has revisions without their content, and this may be a rollback to one of them"
	doubtUnseen  = "the log has no revisions at all, and this may be a rollback to one"
)

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
		limit: limit, objects: map[objectKey]*list.Element{}, recent: list.New(), in: map[objectKey]map[string]*known{}, doubts: map[objectKey]string{},
		seen: map[resource]bool{}, encoder: encoder, decoder: decoder,
	}, nil
}

func (s *store) get(key objectKey) *known {
	element := s.objects[key]
	if element == nil {
		return nil
	}
	return valueOf(element)
}

func valueOf(e *list.Element) *known {
	k, _ := e.Value.(*known)
	return k
}

// all returns the objects of a resource in a namespace, by name.
func (s *store) all(r resource, namespace string) map[string]*known {
	return s.in[objectKey{resource: r, namespace: namespace}]
}

// textOf returns the JSON text of an object, or nil. It must not be modified.
func (s *store) textOf(k *known) []byte {
	if !k.compressed {
		return k.text
	}
	text, err := s.decoder.DecodeAll(k.text, nil)
	if err != nil {
		return nil
	}
	return text
}

// object returns the last known state of an object, or nil.
func (s *store) object(key objectKey) map[string]any {
	k := s.get(key)
	if k == nil {
		return nil
	}
	return s.parse(k)
}

func (s *store) parse(k *known) map[string]any {
	var object map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(s.textOf(k), &object); err != nil {
		return nil
	}
	return object
}

// put replaces the state of an object, and keeps the text.
func (s *store) put(key objectKey, h head, text []byte, born bool) {
	s.remove(key)
	k := &known{key: key, head: h, text: text, born: born}
	// The texts of the head would keep the whole object.
	k.labels, k.annotations, k.owners = bytes.Clone(h.labels), nil, nil
	if isRevision(key.resource) {
		k.controller = controllerOf(h.owners)
	}
	element := s.recent.PushFront(k)
	s.objects[key] = element
	in := objectKey{resource: key.resource, namespace: key.namespace}
	if s.in[in] == nil {
		s.in[in] = map[string]*known{}
	}
	s.in[in][key.object] = k
	s.seen[key.resource] = true
	s.size += k.size()
	s.raw += len(text)
	if s.oldestRaw == nil {
		s.oldestRaw = element
	}
	s.shrink()
}

// shrink compresses and forgets objects until the limits are kept.
func (s *store) shrink() {
	for s.raw > s.limit/rawShare && s.oldestRaw != nil && s.oldestRaw != s.recent.Front() {
		k := valueOf(s.oldestRaw)
		s.size -= k.size()
		s.raw -= len(k.text)
		k.text, k.compressed = s.encoder.EncodeAll(k.text, nil), true
		s.size += k.size()
		s.oldestRaw = s.oldestRaw.Prev()
	}
	for s.size > s.limit && s.recent.Len() > 1 {
		oldest := valueOf(s.recent.Back())
		s.remove(oldest.key)
		s.doubt(oldest.key.resource, oldest.key.namespace, doubtEvicted)
		s.evicted++
	}
}

// touch records that an object has another version, and is otherwise the same.
func (s *store) touch(key objectKey) {
	if k := s.get(key); k != nil {
		k.version = ""
	}
}

func (s *store) remove(key objectKey) {
	element := s.objects[key]
	if element == nil {
		return
	}
	k := valueOf(element)
	s.size -= k.size()
	if !k.compressed {
		s.raw -= len(k.text)
	}
	if element == s.oldestRaw {
		s.oldestRaw = element.Prev()
	}
	s.recent.Remove(element)
	delete(s.objects, key)
	in := objectKey{resource: key.resource, namespace: key.namespace}
	if delete(s.in[in], key.object); len(s.in[in]) == 0 {
		delete(s.in, in)
	}
}

// doubt records that a namespace may have more objects of a resource than those known. Only revisions are listed.
func (s *store) doubt(r resource, namespace, reason string) {
	if !isRevision(r) {
		return
	}
	key := objectKey{resource: r, namespace: namespace}
	if _, found := s.doubts[key]; found {
		return
	}
	if len(s.doubts) >= maxDoubts {
		s.doubtAll = true
		return
	}
	s.doubts[key] = reason
}

// doubtAbout returns why a namespace may have more objects of a resource than those known, or "".
func (s *store) doubtAbout(r resource, namespace string) string {
	if reason := s.doubts[objectKey{resource: r, namespace: namespace}]; reason != "" {
		return reason
	}
	switch {
	case s.doubtAll:
		return doubtEvicted
	case !s.seen[r]:
		return doubtUnseen
	}
	return ""
}

func isRevision(r resource) bool { return r == replicaSets || r == controllerRevisions }

// controllerOf returns the UID of the controller in the text of ownerReferences, or "".
func controllerOf(owners []byte) string {
	var all []struct {
		UID        string `json:"uid"`
		Controller bool   `json:"controller"`
	}
	if len(owners) == 0 || json.Unmarshal(owners, &all) != nil {
		return ""
	}
	for _, owner := range all {
		if owner.Controller {
			return owner.UID
		}
	}
	return ""
}

// isLater reports whether a resourceVersion is later than another. It is false if that cannot be known.
func isLater(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order > 0
}
