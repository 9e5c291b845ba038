package replay

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay/auditlog"
)

// write is a write with what is known about its object.
type write struct {
	event  *auditlog.Event
	kind   schema.GroupVersionKind
	aspect aspect
	key    objectKey
	status Status
	reason string
	// refused is true if the API server has refused the write during or after validation.
	refused bool
	// doubtful is true for a deletion that may be a dry run.
	doubtful bool
	// unchanged is true for a write that changes neither content nor labels and annotations, of which the log does not
	// have the result.
	unchanged bool

	// request and response are the heads of the objects in the log.
	request, response head
	object            written
	// known is the last known state of the object, or nil.
	known *known
	// before is the state before an UPDATE, or nil if it is not known. It is known, or not the one before.
	before *known
	// oldText is the text of the field before, once it is needed.
	oldText []byte
	store   *store
}

func (w *write) isUpdate() bool { return operationOf(w.event) == decision.Update && w.kind != binding }

// old returns the text of the object before an UPDATE, or nil.
func (w *write) old() []byte {
	if w.before == nil || !w.isUpdate() {
		return nil
	}
	if w.oldText == nil {
		w.oldText = w.store.textOf(w.before)
	}
	return w.oldText
}

// prepare finds out whether admission would decide a write, and by which objects.
func (r *Replayer) prepare(e *auditlog.Event) *write {
	w := &write{event: e, aspect: aspectOf(e), status: StatusNotSent, store: r.store}
	w.key = objectKey{resourceOf(&e.Object), namespaceOf(&e.Object), e.Object.Name}
	if w.aspect == ignored || !r.kinds.matter(w.key.resource) && w.aspect != binds {
		return w
	}
	dry, certain := isDryRun(e)
	w.doubtful = !certain
	w.response = headOf(e.ResponseObject)
	if w.response.kind == "" || w.response.kind == "Status" {
		w.request = headOf(e.RequestObject)
	}
	w.kind = r.kinds.of(e, &w.response, &w.request)
	switch {
	case dry:
		w.status = StatusDryRun
		return w
	case w.kind == schema.GroupVersionKind{}, deletes(e):
		return w
	case w.aspect != whole && w.aspect != metadata && w.aspect != binds:
		return w
	}
	at := stageOf(e)
	w.refused = at == reached
	switch at {
	case unreached:
		w.status = StatusUnreached
		return w
	case unclear:
		w.status, w.reason = StatusUnknown, "it failed, and the log does not show whether before or after validation"
	case reached, succeeded:
		w.status = StatusDecided
	}
	r.findObjects(w)
	r.skipUnsent(w)
	return w
}

// findObjects finds the object of a write, and the one before it.
func (r *Replayer) findObjects(w *write) {
	if w.key.object == "" && w.response.kind == w.kind.Kind {
		w.key.object = w.response.name
	}
	w.known = r.store.get(w.key)
	if w.known != nil && w.isUpdate() && precedes(&w.known.head, &w.response, w.event.Object.ResourceVersion) {
		w.before = w.known
	}
	if w.aspect == metadata && w.response.kind != w.kind.Kind && leavesMetadata(w.event, &w.request) {
		w.unchanged = true
		return
	}
	if reason := w.findObject(w.old); reason != "" {
		if w.status == StatusDecided {
			w.status, w.reason = StatusUnknown, reason
		}
		return
	}
	if w.key.object == "" {
		w.key.object = w.object.head.name
	}
}

// precedes reports whether an object may be the state right before another: of the same object, not later, and without
// a change in between. based is the version that the client has changed, if it has sent one.
func precedes(old, updated *head, based string) bool {
	switch {
	case based != "" && isLater(old.version, based):
		return false
	case based != "" && isLater(based, old.version) && !unchangedBetween(old, updated):
		return false
	case updated.uid == "":
		return true // the response is not in the log
	case old.uid != "" && old.uid != updated.uid:
		return false
	case isLater(old.version, updated.version):
		return false
	}
	return updated.generation == 0 || old.generation == 0 || updated.generation <= old.generation+1
}

// unchangedBetween reports whether a write that is not in the log, between two states of an object that are, can only
// have changed its status. A generation counts the changes of a specification.
func unchangedBetween(old, updated *head) bool {
	return old.generation > 0 && updated.generation == old.generation && old.sum == updated.sum
}

// skipUnsent sets the status of writes that the webhook configurations do not send.
func (r *Replayer) skipUnsent(w *write) {
	namespace := w.key.namespace
	if w.key.resource == namespaces {
		namespace = w.key.object
	}
	object := w.object.stored != nil
	switch {
	case slices.Contains(r.options.Exclude, namespace),
		w.aspect != whole && isControlPlane(w.event.User.Username),
		w.unchanged,
		w.aspect == whole && object && w.before != nil && w.before.terminating && endsDeletion(w),
		w.aspect == metadata && object && w.before != nil && w.object.head.sum == w.before.sum,
		w.aspect == binds && object && !carriesMetadata(&w.object.head):
		w.status, w.reason = StatusNotSent, ""
	case w.status != StatusDecided:
	case w.aspect == metadata && w.before == nil:
		w.status, w.reason = StatusUnknown, reasonMetadataChange
	case w.aspect == binds && r.store.get(objectKey{pods, w.key.namespace, w.key.object}) == nil:
		w.status, w.reason = StatusUnknown, reasonUnbound
	}
}
