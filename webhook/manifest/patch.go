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

// directive returns the patch directive that identifies an object as a patch, or "". The API
// server drops directives, so a workload that is otherwise complete is still an object. Below the
// top level of a custom resource, a directive may be part of the resource's own content.
func directive(object map[string]any, kind schema.GroupVersionKind) string {
	// The data of a ControllerRevision is a patch.
	if isCompleteWorkload(object, kind.GroupKind()) || kind.GroupKind() == (schema.GroupKind{Group: "apps", Kind: "ControllerRevision"}) {
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

// isCompleteWorkload reports whether an object is a workload with all the fields that the API
// server requires.
func isCompleteWorkload(object map[string]any, kind schema.GroupKind) bool {
	path := strict.PodSpecPath(kind)
	if path == nil || incomplete(object, kind) != "" {
		return false
	}
	// A path that leads through something other than a map leads to no Pod spec.
	spec, _, _ := unstructured.NestedFieldNoCopy(object, path...)
	fields, _ := spec.(map[string]any)
	containers, _ := fields["containers"].([]any)
	return len(containers) > 0 && !slices.ContainsFunc(containers, func(container any) bool {
		fields, _ := container.(map[string]any)
		return !isText(fields["image"])
	})
}

// patchKey returns the directive of a strategic merge patch that sorts first, or "".
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

// incomplete returns a required field that is missing from a workload, or "" if there is none.
// Patches usually leave these fields out. The selector is not required of a Job, where it is
// generated, nor of a ReplicationController, where it defaults to the labels of the template.
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
