package replay

import (
	"encoding/json"
	"time"
)

// terminate records that an object is being deleted.
func (r *Replayer) terminate(key objectKey, at time.Time) {
	r.edit(key, func(object map[string]any) {
		set(object, at.UTC().Format(time.RFC3339), "metadata", "deletionTimestamp")
		// The object is gone only when its grace period or its finalizers are.
		set(object, int64(1), "metadata", "deletionGracePeriodSeconds")
		set(object, "", "metadata", "resourceVersion") // it is not in the log
	})
}

// takeScale updates the number of replicas of an object.
func (r *Replayer) takeScale(w *write) {
	var scale struct {
		Kind     string `json:"kind"`
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Spec struct {
			Replicas int64 `json:"replicas"`
		} `json:"spec"`
	}
	if json.Unmarshal(w.event.ResponseObject, &scale) != nil || scale.Kind != "Scale" {
		r.forget(w.key)
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
	before, object := r.store.get(key), r.store.object(key)
	if object == nil {
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
	set(pod, "", "metadata", "resourceVersion") // it is not in the log
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
