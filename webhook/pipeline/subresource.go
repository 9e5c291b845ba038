package pipeline

import (
	"maps"
	"reflect"

	"taffrail.dev/webhook/decision"
)

// carriesMetadata reports whether the request is for a subresource through which labels and
// annotations can be written: the API server stores them together with the subresource.
func carriesMetadata(r *decision.Request) bool {
	return r.Subresource == "status" || r.Subresource == "finalize"
}

// metadataChanged reports whether a request changes labels or annotations. An object that could
// not be read counts as changed.
func metadataChanged(r *decision.Request) bool {
	if r.Object == nil || r.OldObject == nil {
		return true
	}
	for _, field := range []string{"labels", "annotations"} {
		if !sameEntries(decision.MapAt(r.Object, "metadata", field), decision.MapAt(r.OldObject, "metadata", field)) {
			return true
		}
	}
	return false
}

// sameEntries treats missing and empty as equal.
func sameEntries(a, b map[string]any, ignored ...string) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	for _, name := range ignored {
		delete(a, name)
		delete(b, name)
	}
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}
