package replay

import (
	"encoding/json"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay/auditlog"
)

// The reasons for which the object of a write is not known. They are part of reports.
const (
	reasonMetadata  = "the log has it at level Metadata, without the object"
	reasonTruncated = "the event was too large for the log, which has it without the object"
	reasonNoObject  = "the log has it without the object"
	reasonPatch     = "the log has only the patch, and the object that it was applied to is not known"
	reasonAmbiguous = "the log has only the patch, and not its type, and the types result in different objects"
	reasonApply     = "the log has only what was applied, and not the object that results"
)

// The reasons for which it is not known whether admission sees a write.
const (
	reasonMetadataChange = "whether it changes labels or annotations is not known, because the object before it is not in the log"
	reasonFills          = "Taffrail has filled in values here, and they cannot be separated from what was sent"
	reasonUnbound        = "the Pod that it binds is not in the log"
)

// written is the object that a write has stored, or would have.
type written struct {
	// text is the object as /validate would see it if Taffrail had filled in nothing, and stored is what was stored.
	text, stored []byte
	head         head
	// fromRequest is true if the object is what the client has sent, with the patches of mutating webhooks. What
	// admission plugins have added, such as the defaults of LimitRanges, is missing.
	fromRequest bool
	// undone is true if values that Taffrail had filled in were removed.
	undone bool
}

// findObject sets the object of a write as /validate would see it, or returns the reason why it is not known.
func (w *write) findObject(old func() []byte) (reason string) {
	e, o := w.event, &w.object
	if w.response.kind == w.kind.Kind {
		o.text, o.stored, o.head = e.ResponseObject, e.ResponseObject, w.response
		if w.key.resource != pods || operationOf(e) != decision.Create {
			return ""
		}
		var ok bool
		if o.text, o.undone, ok = withoutFills(e.ResponseObject, e.Annotations); !ok {
			o.text = nil
			return reasonFills
		}
		return ""
	}
	text := e.RequestObject
	switch {
	case e.Truncated:
		return reasonTruncated
	case text == nil && e.Level == auditlog.LevelMetadata:
		return reasonMetadata
	case text == nil:
		return reasonNoObject
	case e.Verb == "patch":
		if text, reason = patched(e, w.kind, w.request, old); reason != "" {
			return reason
		}
	case w.request.kind != w.kind.Kind:
		return reasonNoObject
	}
	decided, stored, err := withWebhooks(text, e.Annotations)
	if err != nil {
		return "the patch of a mutating webhook does not apply to the object in the log"
	}
	*o = written{text: decided, stored: stored, head: headOf(stored), fromRequest: true}
	o.head.version = "" // it is the one before the write
	return ""
}

// applies reports whether a patch is a server-side apply. The log does not have the type of a patch.
func applies(e *auditlog.Event, patch *head) bool {
	return patch.kind != "" && patch.apiVersion != "" && parametersOf(e).Has("fieldManager")
}

// patched applies the patch of a request to the object that was stored before.
func patched(e *auditlog.Event, kind schema.GroupVersionKind, request head, stored func() []byte) (text []byte, reason string) {
	patch := e.RequestObject
	if applies(e, &request) {
		return nil, reasonApply
	}
	old := stored()
	if old == nil {
		return nil, reasonPatch
	}
	if patch[0] == '[' {
		decoded, err := jsonpatch.DecodePatch(patch)
		if err == nil {
			text, err = applyJSON(old, decoded)
		}
		if err != nil {
			return nil, reasonPatch
		}
		return text, ""
	}
	merged, err := jsonpatch.MergePatch(old, patch)
	if err != nil {
		return nil, reasonPatch
	}
	typed := typeOf(kind)
	if typed == nil {
		return merged, "" // custom resources have no strategic merge patch
	}
	strategic, err := strategicpatch.StrategicMergePatch(old, patch, typed)
	if err != nil {
		return nil, reasonPatch
	}
	if !jsonpatch.Equal(merged, strategic) {
		return nil, reasonAmbiguous
	}
	return merged, ""
}

// leavesMetadata reports whether a patch changes neither labels nor annotations, whatever its type and whatever it is
// applied to. Kubelets patch the status of Pods in this way.
func leavesMetadata(e *auditlog.Event, request *head) bool {
	patch := e.RequestObject
	if e.Verb != "patch" || patch == nil || e.Truncated || applies(e, request) {
		return false
	}
	if patch[0] == '[' {
		var operations []operation
		return json.Unmarshal(patch, &operations) == nil && !slices.ContainsFunc(operations, touchesMetadata)
	}
	leaves := true
	_, err := auditlog.Members(patch, func(name string, value []byte) bool {
		switch name {
		case "metadata":
			leaves = leaves && !changesLabels(value)
		case "$patch", "$retainKeys":
			leaves = false
		}
		return leaves
	})
	return err == nil && leaves
}

// changesLabels reports whether metadata in a patch has labels or annotations, or removes them.
func changesLabels(metadata []byte) bool {
	changes := false
	_, err := auditlog.Members(metadata, func(name string, _ []byte) bool {
		changes = changes || name == "labels" || name == "annotations" || name == "$patch" || name == "$retainKeys"
		return !changes
	})
	return err != nil || changes
}

// touchesMetadata reports whether an operation may change labels or annotations.
func touchesMetadata(o operation) bool {
	return slices.ContainsFunc([]string{o.Path, o.From}, func(path string) bool {
		segments := decision.Pointer(path).Segments()
		return len(segments) < 2 && (len(segments) == 0 || segments[0] == "metadata") && (path == o.Path || o.Op == "move") ||
			len(segments) >= 2 && segments[0] == "metadata" && (segments[1] == "labels" || segments[1] == "annotations")
	})
}

// typeOf returns an object of the type by which the API server applies a strategic merge patch, or nil.
func typeOf(kind schema.GroupVersionKind) any {
	switch kind.Kind {
	case "Pod":
		return corev1.Pod{}
	case "ReplicationController":
		return corev1.ReplicationController{}
	case "Service":
		return corev1.Service{}
	case "PersistentVolumeClaim":
		return corev1.PersistentVolumeClaim{}
	case "Secret":
		return corev1.Secret{}
	case "ConfigMap":
		return corev1.ConfigMap{}
	case "Namespace":
		return corev1.Namespace{}
	case "Deployment":
		return appsv1.Deployment{}
	case "StatefulSet":
		return appsv1.StatefulSet{}
	case "DaemonSet":
		return appsv1.DaemonSet{}
	case "ReplicaSet":
		return appsv1.ReplicaSet{}
	case "ControllerRevision":
		return appsv1.ControllerRevision{}
	case "Job":
		return batchv1.Job{}
	case "CronJob":
		return batchv1.CronJob{}
	}
	return nil
}
