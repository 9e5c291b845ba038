package pipeline

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/normalize"
	"taffrail.dev/webhook/review"
)

// Live reads objects from the API server, past every cache. It is asked only where an
// object would be denied. Implementations are safe for concurrent use. An error is an
// internal error of the decision: whether the object may be what it is is not known.
type Live interface {
	// Revisions are the objects of a kind in a namespace that a workload's selector
	// matches, whoever owns them. kind is ReplicaSet or ControllerRevision.
	Revisions(ctx context.Context, kind schema.GroupVersionKind, namespace string, selector map[string]any) iter.Seq2[map[string]any, error]
	// CronJob is nil where there is none.
	CronJob(ctx context.Context, namespace, name string) (map[string]any, error)
}

// restored is what tells of a request which of its fields the cluster has already; nil
// where nobody can tell.
func restored(ctx context.Context, r *review.Request, live Live) func() (guardrail.Restored, error) {
	if live == nil || r.Origin != review.OriginValidating || r.Subresource != "" {
		return nil
	}
	kind := r.Kind.GroupKind()
	switch {
	case r.Operation == review.Create && kind == schema.GroupKind{Group: batchv1.GroupName, Kind: "Job"}:
		return func() (guardrail.Restored, error) { return fromCronJob(ctx, r, live) }
	case r.Operation == review.Update && r.OldObject != nil && kind.Group == appsv1.GroupName:
		if revisions, ok := revisionKind(kind.Kind); ok {
			return func() (guardrail.Restored, error) { return fromRevision(ctx, r, live, revisions) }
		}
	}
	return nil
}

// revisionKind is where a kind's controller keeps the templates that there were.
func revisionKind(kind string) (schema.GroupVersionKind, bool) {
	switch kind {
	case "Deployment":
		return appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), true
	case "StatefulSet", "DaemonSet":
		return appsv1.SchemeGroupVersion.WithKind("ControllerRevision"), true
	}
	return schema.GroupVersionKind{}, false
}

// fromRevision tells of a workload whether its template is that of a revision which the
// workload controls. Revisions are decided when they are made, unless by a controller
// from a template that was.
func fromRevision(ctx context.Context, r *review.Request, live Live, kind schema.GroupVersionKind) (guardrail.Restored, error) {
	uid, _, _ := unstructured.NestedString(r.OldObject, "metadata", "uid")
	selector := mapOf(mapOf(r.OldObject, "spec"), "selector")
	if uid == "" || len(selector) == 0 {
		return guardrail.Restored{}, nil
	}
	for revision, err := range live.Revisions(ctx, kind, r.Namespace.Name, selector) {
		if err != nil {
			return guardrail.Restored{}, err
		}
		if normalize.Controller(revision).UID != uid {
			continue
		}
		if sameTemplate(r.Workload.Pod, templateOf(revision, kind.Kind), addedTo(kind.Kind)...) {
			name, _, _ := unstructured.NestedString(revision, "metadata", "name")
			return guardrail.Restored{Why: fmt.Sprintf("as in %s %s", kind.Kind, name), Has: func(path string) bool {
				return review.Within(path, r.Workload.PodPath)
			}}, nil
		}
	}
	return guardrail.Restored{}, nil
}

func templateOf(revision map[string]any, kind string) map[string]any {
	if kind == "ControllerRevision" {
		return normalize.RevisionTemplate(revision)
	}
	return mapOf(mapOf(revision, "spec"), "template")
}

// addedTo are the labels that a workload's controller adds to the template of a revision.
func addedTo(kind string) []string {
	if kind == "ReplicaSet" {
		return []string{appsv1.DefaultDeploymentUniqueLabelKey}
	}
	return nil
}

// jobLabels are what the API server adds to the template of a Job, and to the Job itself
// where it has no labels but the template's.
func jobLabels() []string {
	return []string{batchv1.ControllerUidLabel, batchv1.JobNameLabel, "controller-uid", "job-name"}
}

// fromCronJob tells of a Job which fields it has from the CronJob that it names as its
// controller, as `kubectl create job --from=cronjob/x` does.
func fromCronJob(ctx context.Context, r *review.Request, live Live) (guardrail.Restored, error) {
	owner := normalize.Controller(r.Object)
	if owner.Group != batchv1.GroupName || owner.Kind != "CronJob" || owner.Name == "" || owner.UID == "" {
		return guardrail.Restored{}, nil
	}
	cronJob, err := live.CronJob(ctx, r.Namespace.Name, owner.Name)
	if err != nil {
		return guardrail.Restored{}, err
	}
	if uid, _, _ := unstructured.NestedString(cronJob, "metadata", "uid"); uid != owner.UID {
		return guardrail.Restored{}, nil
	}
	made := jobOf(cronJob)
	have, want := mapOf(r.Object, "spec"), mapOf(made, "spec")
	metadata, given := mapOf(r.Object, "metadata"), mapOf(made, "metadata")
	template := sameTemplate(mapOf(have, "template"), mapOf(want, "template"), jobLabels()...)
	return guardrail.Restored{Why: "as in CronJob " + owner.Name, Has: func(path string) bool {
		switch field := topField(path, "spec."); field {
		case "":
		case "template":
			return template
		default:
			return reflect.DeepEqual(have[field], want[field])
		}
		switch field := topField(path, "metadata."); field {
		case "namespace":
			return template // it is the CronJob's
		case "labels":
			return sameEntries(mapOf(metadata, field), mapOf(given, field), jobLabels()...)
		case "annotations":
			return sameEntries(mapOf(metadata, field), mapOf(given, field), instantiated)
		}
		return false
	}}, nil
}

// instantiated is the annotation by which kubectl says that a Job was made by hand.
const instantiated = "cronjob.kubernetes.io/instantiate"

// jobOf is a Job of a CronJob as the API server stores it, but for what it adds to tell
// the Pods of one Job from those of another. It has the template's labels where it has
// none of its own.
func jobOf(cronJob map[string]any) map[string]any {
	spec := normalize.JobSpec(cronJob)
	metadata := mapOf(mapOf(mapOf(cronJob, "spec"), "jobTemplate"), "metadata")
	if len(mapOf(metadata, "labels")) == 0 {
		metadata = map[string]any{"annotations": metadata["annotations"], "labels": mapOf(mapOf(mapOf(spec, "template"), "metadata"), "labels")}
	}
	return map[string]any{"metadata": metadata, "spec": spec}
}

func sameEntries(a, b map[string]any, ignored ...string) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	for _, name := range ignored {
		delete(a, name)
		delete(b, name)
	}
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}

// topField is the field below a prefix that a path leads to or through.
func topField(path, prefix string) string {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok {
		return ""
	}
	if end := strings.IndexAny(rest, ".["); end >= 0 {
		return rest[:end]
	}
	return rest
}
