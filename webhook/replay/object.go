package replay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

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

// written is the object that a write has stored, or would have.
type written struct {
	text []byte
	// fromRequest is true if the object is what the client has sent, with the patches of mutating webhooks. What
	// admission plugins have added, such as the defaults of LimitRanges, is missing.
	fromRequest bool
}

// objectOf returns the object of a write as /validate would see it, or the reason why it is not known.
func objectOf(e *auditlog.Event, kind schema.GroupVersionKind, old []byte) (w written, reason string) {
	if h := headOf(e.ResponseObject); h.kind == kind.Kind {
		return written{text: e.ResponseObject}, ""
	}
	switch {
	case e.Truncated:
		return written{}, reasonTruncated
	case e.RequestObject == nil && e.Level == auditlog.LevelMetadata:
		return written{}, reasonMetadata
	case e.RequestObject == nil:
		return written{}, reasonNoObject
	case e.Verb == "patch":
		w.text, reason = patched(e, kind, old)
	case headOf(e.RequestObject).kind == kind.Kind:
		w.text = e.RequestObject
	default:
		return written{}, reasonNoObject
	}
	if reason != "" {
		return written{}, reason
	}
	text, err := withWebhooks(w.text, e.Annotations)
	if err != nil {
		return written{}, "the patch of a mutating webhook does not apply to the object in the log"
	}
	return written{text, true}, ""
}

// patched applies the patch of a request to the object that was stored before.
func patched(e *auditlog.Event, kind schema.GroupVersionKind, old []byte) (text []byte, reason string) {
	patch := e.RequestObject
	if h := headOf(patch); h.kind != "" && h.apiVersion != "" && strings.Contains(e.RequestURI, "fieldManager=") {
		return nil, reasonApply
	}
	if old == nil {
		return nil, reasonPatch
	}
	if patch[0] == '[' {
		decoded, err := jsonpatch.DecodePatch(patch)
		if err == nil {
			text, err = decoded.Apply(old)
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

// webhookPatch is the prefix of the annotations in which the API server keeps the patches of mutating webhooks. Their
// names end in round_<n>_index_<n>.
const webhookPatch = "patch.webhook.admission.k8s.io/"

var errNotJSONPatch = errors.New("not a JSON Patch")

// withWebhooks applies the patches of mutating webhooks, in their order.
func withWebhooks(text []byte, annotations map[string]string) ([]byte, error) {
	var names []string
	for name := range annotations {
		if strings.HasPrefix(name, webhookPatch) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) })
	for _, name := range names {
		var annotation struct {
			Patch     json.RawMessage `json:"patch"`
			PatchType string          `json:"patchType"`
		}
		if err := json.Unmarshal([]byte(annotations[name]), &annotation); err != nil {
			return nil, err
		}
		if annotation.PatchType != "JSONPatch" || !bytes.HasPrefix(bytes.TrimSpace(annotation.Patch), []byte{'['}) {
			return nil, errNotJSONPatch
		}
		patch, err := jsonpatch.DecodePatch(annotation.Patch)
		if err != nil {
			return nil, err
		}
		if text, err = patch.Apply(text); err != nil {
			return nil, err
		}
	}
	return text, nil
}
