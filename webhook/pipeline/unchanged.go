package pipeline

import (
	"reflect"
	"strings"

	"taffrail.dev/webhook/review"
)

// Unchanged tells whether an UPDATE leaves everything as it was that a policy may read:
// all but status and the parts of metadata that the API server, the garbage collector
// and controllers look after. Such an update is never denied, or an object with a
// finalizer could not be deleted any more.
func Unchanged(r *review.Request) bool {
	if r.OldObject == nil || r.LastApplied != nil && !r.LastApplied.Readable {
		return false
	}
	for _, pair := range [][2]map[string]any{{r.Object, r.OldObject}, {r.OldObject, r.Object}} {
		for name, value := range pair[0] {
			if name != "metadata" && name != "status" && !reflect.DeepEqual(value, pair[1][name]) {
				return false
			}
		}
	}
	return reflect.DeepEqual(read(r.Object), read(r.OldObject)) && reflect.DeepEqual(r.LastApplied, r.OldLastApplied)
}

// read is what of an object's metadata policies may read. Annotations that kubectl and
// the deployment controller keep for themselves are none of it; what kubectl's copy of a
// Secret carries is compared on its own.
func read(object map[string]any) map[string]any {
	metadata, _ := object["metadata"].(map[string]any)
	all, _ := metadata["annotations"].(map[string]any)
	annotations := map[string]any{}
	for name, value := range all {
		if !strings.HasPrefix(name, "kubectl.kubernetes.io/") && !strings.HasPrefix(name, "deployment.kubernetes.io/") {
			annotations[name] = value
		}
	}
	return map[string]any{"name": metadata["name"], "labels": metadata["labels"], "annotations": annotations}
}
