package request

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// shape describes how the kinds with Pods differ.
type shape struct {
	podPath     []string
	longRunning bool
	replicas    bool
}

func shapeOf(kind schema.GroupKind) (shape, bool) {
	template := []string{"spec", "template"}
	switch kind {
	case schema.GroupKind{Kind: "Pod"}:
		return shape{}, true
	case schema.GroupKind{Group: "apps", Kind: "Deployment"},
		schema.GroupKind{Group: "apps", Kind: "StatefulSet"},
		schema.GroupKind{Group: "apps", Kind: "ReplicaSet"},
		schema.GroupKind{Kind: "ReplicationController"}:
		return shape{podPath: template, longRunning: true, replicas: true}, true
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		return shape{podPath: template, longRunning: true}, true
	case schema.GroupKind{Group: "batch", Kind: "Job"}:
		return shape{podPath: template}, true
	case schema.GroupKind{Group: "batch", Kind: "CronJob"}:
		return shape{podPath: []string{"spec", "jobTemplate", "spec", "template"}}, true
	}
	return shape{}, false
}

// addWorkload extracts the Pod in r.Object. A field of the wrong type on the path is an error:
// if it counted as missing, its content would not be decided.
func addWorkload(r *decision.Request) error {
	shape, ok := shapeOf(r.Kind.GroupKind())
	if !ok {
		return nil
	}
	w := &decision.Workload{
		Template:    len(shape.podPath) > 0,
		LongRunning: shape.longRunning,
		Replicas:    1,
		PodPath:     strings.Join(shape.podPath, "."),
	}
	pod, err := requireMap(r.Object, "", shape.podPath)
	if err != nil {
		return err
	}
	spec, err := requireMap(pod, w.PodPath, []string{"spec"})
	if err != nil {
		return err
	}
	w.Pod = pod
	if shape.replicas {
		if replicas, ok := at(r.Object, "spec", "replicas").(int64); ok {
			w.Replicas = replicas
		}
	}
	if !w.Template {
		policy := stringAt(spec, "restartPolicy")
		w.LongRunning = policy == "" || policy == string(corev1.RestartPolicyAlways)
	}
	// A container may have restartPolicy Always in a Pod or Job that does not restart.
	items, _ := spec["containers"].([]any)
	for _, item := range items {
		container, _ := item.(map[string]any)
		w.LongRunning = w.LongRunning || stringAt(container, "restartPolicy") == string(corev1.ContainerRestartPolicyAlways)
	}
	if resources := mapAt(spec, "resources"); resources != nil {
		declared, err := requirements(resources, join(w.PodPath, "spec"))
		if err != nil {
			return err
		}
		w.PodResources = &declared
	}
	if err := checkOverhead(w, spec); err != nil {
		return err
	}
	if w.Containers, err = containers(spec, join(w.PodPath, "spec")); err != nil {
		return err
	}
	if len(w.Containers) > MaxContainers {
		return &LimitError{What: "containers", Limit: MaxContainers}
	}
	r.Workload = w
	return nil
}

func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// requireMap returns the object at a path. If it is missing or null, it returns an empty map.
func requireMap(object map[string]any, parent string, path []string) (map[string]any, error) {
	for _, name := range path {
		parent = join(parent, name)
		value, present := object[name]
		if !present || value == nil {
			return map[string]any{}, nil
		}
		next, ok := value.(map[string]any)
		if !ok {
			return nil, &FieldError{Path: parent, Reason: "must be an object"}
		}
		object = next
	}
	return object, nil
}

func containers(spec map[string]any, path string) ([]decision.Container, error) {
	var all []decision.Container
	for _, list := range []struct {
		field string
		kind  decision.ContainerType
	}{
		{"containers", decision.ContainerApp},
		{"initContainers", decision.ContainerInit},
		{"ephemeralContainers", decision.ContainerEphemeral},
	} {
		value := spec[list.field]
		if value == nil {
			continue
		}
		listPath := path + "." + list.field
		items, ok := value.([]any)
		if !ok {
			return nil, &FieldError{Path: listPath, Reason: "must be a list"}
		}
		if all == nil {
			all = make([]decision.Container, 0, len(items))
		}
		for i, item := range items {
			itemPath := string(decision.FieldPath(listPath).Index(i))
			container, ok := item.(map[string]any)
			if !ok {
				return nil, &FieldError{Path: itemPath, Reason: "must be an object"}
			}
			c, err := newContainer(container, list.kind, itemPath)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func newContainer(spec map[string]any, kind decision.ContainerType, path string) (decision.Container, error) {
	if kind == decision.ContainerInit && stringAt(spec, "restartPolicy") == string(corev1.ContainerRestartPolicyAlways) {
		kind = decision.ContainerSidecar
	}
	c := decision.Container{
		Name:  stringAt(spec, "name"),
		Type:  kind,
		Path:  path,
		Spec:  spec,
		Image: parseImage(stringAt(spec, "image")),
	}
	if kind != decision.ContainerEphemeral {
		if resources := mapAt(spec, "resources"); resources != nil {
			var err error
			if c.Declared, err = requirements(resources, path); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}
