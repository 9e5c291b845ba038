package replay

import (
	"encoding/json"
	"slices"
	"time"

	kjson "sigs.k8s.io/json"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay/auditlog"
)

// take updates what is known by what a write has stored.
func (r *Replayer) take(e *auditlog.Event, w *write) {
	if w.status == StatusDryRun || !r.tracks(w) {
		return
	}
	switch {
	case e.Status.Code >= serverError:
		r.store.remove(w.key) // it may have been stored
		return
	case e.Status.Code >= badRequest:
		return
	}
	switch {
	case e.Verb == "deletecollection":
		r.store.removeAll(w.key.resource, w.key.namespace)
		r.facts.removeAll(w.key.resource, w.key.namespace)
	case e.Verb == "delete":
		r.takeDeletion(e, w)
	case w.aspect == binds:
		r.edit(objectKey{pods, w.key.namespace, w.key.object}, func(pod map[string]any) { bind(pod, e.RequestObject) })
	case w.aspect == evicts:
		r.edit(w.key, func(pod map[string]any) {
			set(pod, e.Completed.UTC().Format(time.RFC3339), "metadata", "deletionTimestamp")
		})
	case w.aspect == scales:
		r.takeScale(e, w)
	case w.aspect == whole || w.aspect == metadata:
		r.takeObject(e, w)
	}
}

// tracks reports whether the objects of a write matter for later writes.
func (r *Replayer) tracks(w *write) bool {
	if slices.Contains(r.options.Exclude, w.key.namespace) {
		return false
	}
	if fact, _ := factOf(w.key.resource); fact != "" {
		return true
	}
	return w.kind.Kind != ""
}

func (r *Replayer) takeObject(e *auditlog.Event, w *write) {
	text := w.object.text
	if text == nil {
		if h := headOf(e.ResponseObject); h.kind != "" && h.kind != "Status" {
			text = e.ResponseObject
		} else if fact, _ := factOf(w.key.resource); fact != "" && e.Verb != "patch" {
			text = e.RequestObject
		}
	}
	h := headOf(text)
	if w.key.object == "" {
		w.key.object = h.name
	}
	isNew := operationOf(e) == decision.Create
	if isNew && w.key.resource == namespaces && w.key.object != "" {
		r.facts.bear(w.key.object)
	}
	if w.key.object == "" {
		return
	}
	before := r.store.get(w.key)
	if before != nil && text != nil && before.uid == h.uid && isLater(before.version, h.version) {
		return // a later write came first
	}
	if fact, _ := factOf(w.key.resource); fact != "" || w.key.resource == namespaces {
		r.facts.put(w.key, text)
	}
	if w.kind.Kind == "" {
		return
	}
	if text == nil {
		r.store.remove(w.key) // what is known is no longer current
		return
	}
	if h.terminating && !h.hasFinalizers && w.key.resource != pods {
		r.remove(w.key) // the last finalizer was removed
		return
	}
	r.store.put(w.key, h, text, isNew || before != nil && before.born && before.uid == h.uid)
}

func (r *Replayer) takeDeletion(e *auditlog.Event, w *write) {
	if h := headOf(e.ResponseObject); h.terminating && h.kind == w.kind.Kind {
		before := r.store.get(w.key)
		r.store.put(w.key, h, e.ResponseObject, before != nil && before.born)
		return
	}
	r.remove(w.key)
}

func (r *Replayer) remove(key objectKey) {
	r.store.remove(key)
	r.facts.remove(key)
}

// takeScale updates the number of replicas of an object.
func (r *Replayer) takeScale(e *auditlog.Event, w *write) {
	var scale struct {
		Kind     string `json:"kind"`
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Spec struct {
			Replicas int64 `json:"replicas"`
		} `json:"spec"`
	}
	if json.Unmarshal(e.ResponseObject, &scale) != nil || scale.Kind != "Scale" {
		r.store.remove(w.key)
		return
	}
	r.edit(w.key, func(object map[string]any) {
		spec, _ := object["spec"].(map[string]any)
		metadata, _ := object["metadata"].(map[string]any)
		if spec == nil || metadata == nil {
			return
		}
		if generation, ok := metadata["generation"].(int64); ok && spec["replicas"] != scale.Spec.Replicas {
			metadata["generation"] = generation + 1
		}
		spec["replicas"], metadata["resourceVersion"] = scale.Spec.Replicas, scale.Metadata.ResourceVersion
	})
}

// edit changes the last known state of an object.
func (r *Replayer) edit(key objectKey, change func(map[string]any)) {
	before := r.store.get(key)
	if before == nil {
		return
	}
	var object map[string]any
	if kjson.UnmarshalCaseSensitivePreserveInts(r.store.textOf(before), &object) != nil {
		return
	}
	change(object)
	text, err := json.Marshal(object)
	if err != nil {
		return
	}
	r.store.put(key, headOf(text), text, before.born)
}

// bind does to a Pod what the API server does for a Binding.
func bind(pod map[string]any, text []byte) {
	var binding struct {
		Metadata struct {
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
		Target struct {
			Name string `json:"name"`
		} `json:"target"`
	}
	if json.Unmarshal(text, &binding) != nil || binding.Target.Name == "" {
		return
	}
	set(pod, binding.Target.Name, "spec", "nodeName")
	for key, value := range binding.Metadata.Labels {
		set(pod, value, "metadata", "labels", key)
	}
	for key, value := range binding.Metadata.Annotations {
		set(pod, value, "metadata", "annotations", key)
	}
}

// set sets a field, and creates the objects that it is in.
func set(object map[string]any, value any, path ...string) {
	for _, name := range path[:len(path)-1] {
		next, _ := object[name].(map[string]any)
		if next == nil {
			next = map[string]any{}
			object[name] = next
		}
		object = next
	}
	object[path[len(path)-1]] = value
}
