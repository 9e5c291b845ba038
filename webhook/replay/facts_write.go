package replay

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/decision"
)

// in returns the namespace to write a fact to.
func (f *facts) in(fact decision.Fact, name string) *namespace {
	if fact == decision.FactStorageClasses {
		return f.classes
	}
	return f.of(name)
}

// put stores an object that is a fact. text is nil if the log does not have the object.
func (f *facts) put(key objectKey, text []byte) {
	f.written[key.resource] = true
	if key.resource == namespaces {
		f.putNamespace(key.object, text)
		return
	}
	fact, object := factOf(key.resource)
	if object == nil {
		return
	}
	n := f.in(fact, key.namespace)
	before := n.objects[fact][key.object]
	if text == nil || json.Unmarshal(text, object) != nil || !f.grow(factOverhead+len(text)) {
		f.markUnread(n, fact, key.object)
		return
	}
	if before.Object != nil && before.GetUID() == object.GetUID() && isLater(before.GetResourceVersion(), object.GetResourceVersion()) {
		f.size -= factOverhead + len(text)
		return // a later write came first
	}
	if n.objects[fact] == nil {
		n.objects[fact] = map[string]kept{}
	}
	object.SetManagedFields(nil)
	f.size -= before.size
	n.objects[fact][key.object] = kept{object, factOverhead + len(text)}
	delete(n.deleted[fact], key.object)
	delete(n.unread[fact], key.object)
}

// maxUnread is the number of facts of one namespace that are remembered as unread by their names.
const maxUnread = 1000

// markUnread records that a fact was written without its content.
func (f *facts) markUnread(n *namespace, fact decision.Fact, name string) {
	if len(n.unread[fact]) >= maxUnread {
		name = ""
	}
	mark(n.unread, fact, name)
}

func mark(marks map[decision.Fact]map[string]bool, fact decision.Fact, name string) {
	if marks[fact] == nil {
		marks[fact] = map[string]bool{}
	}
	marks[fact][name] = true
}

// remove records that a fact was deleted.
func (f *facts) remove(key objectKey) {
	if key.resource == namespaces {
		f.removeNamespace(key.object)
		return
	}
	fact, object := factOf(key.resource)
	if object == nil {
		return
	}
	n := f.in(fact, key.namespace)
	f.size -= n.objects[fact][key.object].size
	delete(n.objects[fact], key.object)
	delete(n.unread[fact], key.object)
	if f.base != nil && !n.born && f.grow(factOverhead) {
		mark(n.deleted, fact, key.object)
	}
}

func (f *facts) removeNamespace(name string) {
	n := f.namespaces[name]
	if n == nil {
		return
	}
	f.size -= factOverhead + len(name) + n.size
	for _, all := range n.objects {
		for _, one := range all {
			f.size -= one.size
		}
	}
	delete(f.namespaces, name)
}

// doubt records that the facts of a resource in a namespace are no longer known, until each is written again.
func (f *facts) doubt(r resource, name string) {
	if fact, _ := factOf(r); fact != "" {
		mark(f.in(fact, name).unread, fact, "")
	}
}

// removeAll records that all facts of a resource in a namespace were deleted.
func (f *facts) removeAll(r resource, name string) {
	fact, object := factOf(r)
	if object == nil {
		return
	}
	n := f.in(fact, name)
	for object := range n.objects[fact] {
		f.remove(objectKey{r, name, object})
	}
	delete(n.unread, fact)
}

func (f *facts) putNamespace(name string, text []byte) {
	n := f.of(name)
	var object metav1.PartialObjectMetadata
	if text == nil || json.Unmarshal(text, &object) != nil {
		// The labels that were known may have changed.
		n.labeled, n.unlabeled = false, true
		return
	}
	size := len(text)
	if n.uid == string(object.UID) && isLater(n.version, object.ResourceVersion) {
		return // a later write came first
	}
	n.labeled, n.unlabeled, n.labels, n.annotations, n.created = true, false, object.Labels, object.Annotations, object.CreationTimestamp.Time
	n.uid, n.version = string(object.UID), object.ResourceVersion
	f.size += size - n.size
	n.size = size
}

// bear records that the log has the creation of a namespace.
func (f *facts) bear(name string) { f.of(name).born = true }
