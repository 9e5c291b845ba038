package normalize

import (
	"errors"
	"maps"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/review"
)

// RevisionData is the field of a ControllerRevision that holds what its StatefulSet or
// DaemonSet was: a strategic merge patch, {"spec":{"template":{…,"$patch":"replace"}}}.
const RevisionData = "data"

// IsRevision tells whether a kind is ControllerRevision.
func IsRevision(kind schema.GroupKind) bool {
	return kind == schema.GroupKind{Group: "apps", Kind: "ControllerRevision"}
}

// RevisedKind is the kind that ControllerRevisions are decided as. Of a StatefulSet's,
// too, there is nothing but the template.
func RevisedKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DaemonSet"}
}

// RevisionTemplate is the template that a rollback to a ControllerRevision would make,
// API defaults applied; nil where there are no containers in it. It is the data of others
// then: virtual machines, for one, are kept in revisions too.
func RevisionTemplate(revision map[string]any) map[string]any {
	spec := mapAt(revision, RevisionData, "spec", "template", "spec")
	if spec["containers"] == nil && spec["initContainers"] == nil {
		return nil
	}
	template := runtime.DeepCopyJSON(mapAt(revision, RevisionData, "spec", "template"))
	delete(template, "$patch") // says how the rest is merged
	defaultPodSpec(mapAt(template, "spec"))
	return template
}

// addRevision makes a DaemonSet of a ControllerRevision: what is forged would otherwise
// get past every policy by a rollback.
func addRevision(r *review.Request) error {
	if !IsRevision(r.Kind.GroupKind()) {
		return nil
	}
	set := revisedSet(r.Object)
	if set == nil {
		return nil
	}
	revision := *r
	revision.Kind, revision.Object, revision.Original, revision.OldObject = RevisedKind(), set, set, revisedSet(r.OldObject)
	err := complete(&revision)
	if _, ok := errors.AsType[*FieldError](err); ok {
		return nil // a field of another type than a Pod's: neither a controller nor the API server takes it
	}
	if err == nil {
		r.Revision = &revision
	}
	return err
}

// revisedSet is a DaemonSet with a revision's template, nil where there is none.
func revisedSet(revision map[string]any) map[string]any {
	template := RevisionTemplate(revision)
	if template == nil {
		return nil
	}
	kind := RevisedKind()
	set := map[string]any{
		"apiVersion": kind.GroupVersion().String(), "kind": kind.Kind,
		"metadata": maps.Clone(mapAt(revision, "metadata")),
		"spec":     map[string]any{"template": template},
	}
	applyDefaults(kind.GroupKind(), set)
	return set
}
