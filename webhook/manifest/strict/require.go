package strict

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// require refuses an object without the fields that have no default and that every policy about
// Pods reads. Everything else is left to the API server's validation.
func (c *check) require(object map[string]any, kind schema.GroupKind) {
	pod := PodSpecPath(kind)
	if pod == nil {
		return
	}
	spec := object
	for i, name := range pod {
		path := strings.Join(pod[:i+1], ".")
		value, given := spec[name]
		inner, _ := value.(map[string]any)
		switch {
		case !given:
			c.refuse(path, "is missing: a "+kind.Kind+" needs it")
			return
		case inner == nil:
			c.refuse(path, "is empty: a "+kind.Kind+" needs it")
			return
		}
		spec = inner
	}
	if containers, _ := spec["containers"].([]any); len(containers) == 0 {
		c.refuse(strings.Join(pod, ".")+".containers", "is missing or empty: a Pod needs at least one container")
	}
}

// PodSpecPath returns the path of the Pod spec in the built-in workloads, and nil for other
// kinds.
func PodSpecPath(kind schema.GroupKind) []string {
	switch kind {
	case schema.GroupKind{Kind: "Pod"}:
		return []string{"spec"}
	case schema.GroupKind{Group: "batch", Kind: "CronJob"}:
		return []string{"spec", "jobTemplate", "spec", "template", "spec"}
	case schema.GroupKind{Kind: "ReplicationController"}, schema.GroupKind{Group: "batch", Kind: "Job"},
		schema.GroupKind{Group: "apps", Kind: "Deployment"}, schema.GroupKind{Group: "apps", Kind: "StatefulSet"},
		schema.GroupKind{Group: "apps", Kind: "DaemonSet"}, schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}:
		return []string{"spec", "template", "spec"}
	}
	return nil
}
