package pipeline

import (
	"maps"
	"reflect"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// Unchanged tells whether an UPDATE leaves everything as it was that a policy may go by.
// Such an update is never denied, or an object with a finalizer could not be deleted.
func Unchanged(r *decision.Request) bool { return extentOf(r) == ChangesNothing }

// extentOf compares by what is in the object, and not by what today's policies read of it:
// a policy of somebody's own may read anything. Only finalizers, owners, managed fields
// and what nobody can set are none of their business.
//
// That an object is terminating makes no difference: a Pod that is has time to do harm.
func extentOf(r *decision.Request) UpdateScope {
	if carriesMetadata(r) {
		// Of the rest nothing is taken that a policy may go by.
		if metadataChanged(r) {
			return ChangesLabels
		}
		return ChangesNothing
	}
	if r.OldObject == nil || !reflect.DeepEqual(content(r, r.Object), content(r, r.OldObject)) {
		return ChangesContent
	}
	for _, field := range []string{"labels", "annotations"} {
		if !reflect.DeepEqual(metadata(r.Object)[field], metadata(r.OldObject)[field]) {
			return ChangesLabels
		}
	}
	if !reflect.DeepEqual(r.Object["spec"], r.OldObject["spec"]) {
		return ChangesLabels
	}
	return ChangesNothing
}

// content is all of an object but metadata and status. The name of its volume is no more
// than a label of a claim, which Kubernetes puts there when it has found one.
func content(r *decision.Request, object map[string]any) map[string]any {
	left := maps.Clone(object)
	delete(left, "metadata")
	delete(left, "status")
	if spec, ok := left["spec"].(map[string]any); ok && r.Kind.GroupKind() == (schema.GroupKind{Kind: "PersistentVolumeClaim"}) {
		spec = maps.Clone(spec)
		delete(spec, "volumeName")
		left["spec"] = spec
	}
	return left
}

func metadata(object map[string]any) map[string]any {
	members, _ := object["metadata"].(map[string]any)
	return members
}
