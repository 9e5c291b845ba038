package replay

import (
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"taffrail.dev/webhook/replay/auditlog"
)

// isGone reports whether the API server has deleted an object that it has returned.
func isGone(r resource, h *head, text []byte) bool {
	if !h.terminating || h.hasFinalizers || h.grace > 0 {
		return false
	}
	if r != namespaces {
		return true
	}
	var namespace struct {
		Spec struct {
			Finalizers []string `json:"finalizers"`
		} `json:"spec"`
	}
	return json.Unmarshal(text, &namespace) == nil && len(namespace.Spec.Finalizers) == 0
}

// takeDeletion takes the deletion of an object, which may take a while.
func (r *Replayer) takeDeletion(w *write) {
	h := &w.response
	switch {
	case h.terminating && h.kind == w.kind.Kind && !isGone(w.key.resource, h, w.event.ResponseObject):
		before := r.store.get(w.key)
		r.store.put(w.key, *h, w.event.ResponseObject, before != nil && before.born)
	case w.doubtful:
		r.forget(w.key)
	default:
		r.remove(w.key)
	}
}

// takeCollection takes the deletion of the objects that a request selects.
func (r *Replayer) takeCollection(w *write) {
	in, namespace := w.key.resource, w.key.namespace
	if r.takeList(w) {
		return
	}
	matches := selectionOf(w.event)
	for name, k := range r.store.all(in, namespace) {
		switch matches(name, namespace, k.labelSet()) {
		case selected:
			if k.hasFinalizers || in == pods {
				r.terminate(k.key, w.event.Completed)
			} else if w.doubtful {
				r.forget(k.key)
			} else {
				r.remove(k.key)
			}
		case mayBeSelected:
			r.forget(k.key)
		case notSelected:
		}
	}
	if w.doubtful || matches("", "", nil) != selected {
		r.facts.doubt(in, namespace)
		return
	}
	r.facts.removeAll(in, namespace)
}

// takeList takes the deletion of a collection whose objects the response lists. It returns false if it does not.
func (r *Replayer) takeList(w *write) bool {
	e := w.event
	if !strings.HasSuffix(w.response.kind, "List") {
		return false
	}
	var items []json.RawMessage
	_, err := auditlog.Members(e.ResponseObject, func(name string, value []byte) bool {
		return name != "items" || json.Unmarshal(value, &items) == nil
	})
	if err != nil {
		return false
	}
	for _, item := range items {
		h := headOf(item)
		key := objectKey{w.key.resource, w.key.namespace, h.name}
		if h.hasFinalizers || key.resource == pods {
			r.terminate(key, e.Completed)
		} else {
			r.remove(key)
		}
	}
	return true
}

// selection is whether a request selects an object.
type selection int

const (
	notSelected selection = iota
	mayBeSelected
	selected
)

// selectionOf returns what reports which objects a request for a collection selects.
func selectionOf(e *auditlog.Event) func(name, namespace string, set labels.Set) selection {
	parameters := parametersOf(e)
	byLabel, labelErr := labels.Parse(parameters.Get("labelSelector"))
	byField, fieldErr := fields.ParseSelector(parameters.Get("fieldSelector"))
	if labelErr != nil || fieldErr != nil || parameters.Has("limit") || parameters.Has("continue") {
		return func(string, string, labels.Set) selection { return mayBeSelected }
	}
	return func(name, namespace string, set labels.Set) selection {
		if !byLabel.Matches(set) {
			return notSelected
		}
		for _, requirement := range byField.Requirements() {
			if requirement.Field != "metadata.name" && requirement.Field != "metadata.namespace" {
				return mayBeSelected
			}
		}
		if !byField.Matches(fields.Set{"metadata.name": name, "metadata.namespace": namespace}) {
			return notSelected
		}
		return selected
	}
}
