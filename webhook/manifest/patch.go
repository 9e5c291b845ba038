package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/manifest/strict"
)

// directive returns the directive that makes a patch of an object, or "". The API server
// drops directives, so that they make no patch of a workload that has all it needs. Inside
// of custom resources they may be meant for the object that the resource is about.
func directive(object map[string]any, kind schema.GroupVersionKind) string {
	// The API server keeps a patch in every ControllerRevision.
	if isWhole(object, kind.GroupKind()) || kind.GroupKind() == (schema.GroupKind{Group: "apps", Kind: "ControllerRevision"}) {
		return ""
	}
	if !strict.Known(kind) {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if isDirective(name) {
				return name
			}
		}
		return ""
	}
	return patchKey(object)
}

// isWhole reports whether an object is a workload with all that the API server wants of one.
func isWhole(object map[string]any, kind schema.GroupKind) bool {
	path := strict.PodSpecPath(kind)
	if path == nil || incomplete(object, kind) != "" {
		return false
	}
	// What is no map on the way is no Pod either.
	spec, _, _ := unstructured.NestedFieldNoCopy(object, path...)
	fields, _ := spec.(map[string]any)
	containers, _ := fields["containers"].([]any)
	return len(containers) > 0 && !slices.ContainsFunc(containers, func(container any) bool {
		fields, _ := container.(map[string]any)
		return !isText(fields["image"])
	})
}

// patchKey finds a directive of a strategic merge patch, the first in the order of names.
func patchKey(value any) string {
	switch value := value.(type) {
	case map[string]any:
		found := ""
		for name, member := range value {
			key := name
			if !isDirective(name) {
				key = patchKey(member)
			}
			if key != "" && (found == "" || key < found) {
				found = key
			}
		}
		return found
	case []any:
		for _, element := range value {
			if key := patchKey(element); key != "" {
				return key
			}
		}
	}
	return ""
}

func isDirective(name string) bool {
	return name == "$patch" || name == "$retainKeys" || strings.HasPrefix(name, "$setElementOrder/") || strings.HasPrefix(name, "$deleteFromPrimitiveList/")
}

// incomplete names a field without which no API server takes a workload, and which patches
// do not have; "" if all are there. A Job's selector is generated, and a
// ReplicationController's defaults to its template's labels.
func incomplete(object map[string]any, kind schema.GroupKind) string {
	spec, given := object["spec"]
	if given && spec == nil {
		return ""
	}
	fields, _ := spec.(map[string]any)
	var needed []string
	switch kind {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}, schema.GroupKind{Group: "apps", Kind: "StatefulSet"},
		schema.GroupKind{Group: "apps", Kind: "DaemonSet"}, schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}:
		needed = []string{"selector", "template"}
	case schema.GroupKind{Group: "batch", Kind: "CronJob"}:
		needed = []string{"schedule", "jobTemplate"}
	case schema.GroupKind{Group: "batch", Kind: "Job"}, schema.GroupKind{Kind: "ReplicationController"}:
		needed = []string{"template"}
	}
	for _, name := range needed {
		if _, given := fields[name]; !given {
			return fmt.Sprintf("spec.%s", name)
		}
	}
	return ""
}
