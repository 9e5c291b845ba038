package replay

import (
	"slices"

	"taffrail.dev/webhook/decision"
)

// take updates what is known by what a write has stored.
func (r *Replayer) take(w *write) {
	e := w.event
	if w.status == StatusDryRun || !r.tracks(w) {
		return
	}
	switch {
	case e.Status.Code >= serverError:
		r.forget(w.key) // it may have been stored
		return
	case e.Status.Code >= badRequest:
		return
	}
	if w.key.resource == limitRanges {
		r.facts.of(w.key.namespace).limited = e.Completed
	}
	switch {
	case e.Verb == "deletecollection":
		r.takeCollection(w)
	case e.Verb == "delete":
		r.takeDeletion(w)
	case w.aspect == binds:
		r.edit(objectKey{pods, w.key.namespace, w.key.object}, func(pod map[string]any) { bind(pod, e.RequestObject) })
	case w.aspect == evicts && w.doubtful:
		r.forget(w.key)
	case w.aspect == evicts:
		r.terminate(w.key, e.Completed)
	case w.aspect == scales:
		r.takeScale(w)
	case w.unchanged:
		r.store.touch(w.key)
	case w.aspect == whole || w.aspect == metadata:
		r.takeObject(w)
	}
}

// tracks reports whether the objects of a write matter for later writes.
func (r *Replayer) tracks(w *write) bool {
	if w.aspect == ignored || slices.Contains(r.options.Exclude, w.key.namespace) {
		return false
	}
	if fact, _ := factOf(w.key.resource); fact != "" {
		return true
	}
	return w.kind.Kind != ""
}

// takeObject takes an object that was created or updated.
func (r *Replayer) takeObject(w *write) {
	text, h := r.storedText(w)
	if w.key.object == "" {
		w.key.object = h.name
	}
	isNew := operationOf(w.event) == decision.Create
	if isNew && w.key.resource == namespaces && w.key.object != "" {
		r.facts.bear(w.key.object)
	}
	if w.key.object == "" || text == nil {
		r.takeUnknown(w)
		return
	}
	before := r.store.get(w.key)
	if before != nil && before.uid == h.uid && isLater(before.version, h.version) {
		return // a later write came first
	}
	if isGone(w.key.resource, &h, text) {
		r.remove(w.key) // the last finalizer was removed
		return
	}
	r.facts.put(w.key, text)
	if w.kind.Kind != "" {
		r.store.put(w.key, h, text, isNew || before != nil && before.born && before.uid == h.uid)
	}
}

// storedText returns the text of the object that a write has stored, or nil if the log does not have it.
func (r *Replayer) storedText(w *write) ([]byte, head) {
	e := w.event
	switch {
	case w.object.stored != nil:
		return w.object.stored, w.object.head
	case w.response.kind != "" && w.response.kind != "Status":
		return e.ResponseObject, w.response
	}
	if fact, _ := factOf(w.key.resource); fact != "" && e.Verb != "patch" && e.RequestObject != nil {
		return e.RequestObject, w.request
	}
	return nil, head{}
}

// takeUnknown takes a write of which the log does not have the object.
func (r *Replayer) takeUnknown(w *write) {
	if fact, _ := factOf(w.key.resource); fact != "" && w.kind.Kind == "" && !changesFact(w.event) {
		return // the status of a fact is not read
	}
	r.forget(w.key)
}

// forget records that the state of an object is no longer known.
func (r *Replayer) forget(key objectKey) {
	r.store.remove(key)
	r.store.doubt(key.resource, key.namespace, doubtWritten)
	r.facts.put(key, nil)
}

func (r *Replayer) remove(key objectKey) {
	r.store.remove(key)
	r.facts.remove(key)
}
