package pipeline

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// Templates reads the metadata that shows when a template was written. Implementations are safe for
// concurrent use, and must not trail the API server.
type Templates interface {
	// Metadata is nil if there is no such object, or it has another uid than one that is given.
	Metadata(ctx context.Context, kind schema.GroupVersionKind, namespace, name, uid string) (*metav1.PartialObjectMetadata, error)
}

var (
	namespaceKind             = corev1.SchemeGroupVersion.WithKind("Namespace")
	configMapKind             = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	replicationControllerKind = corev1.SchemeGroupVersion.WithKind("ReplicationController")
	replicaSetKind            = appsv1.SchemeGroupVersion.WithKind("ReplicaSet")
	controllerRevisionKind    = appsv1.SchemeGroupVersion.WithKind("ControllerRevision")
	jobKind                   = batchv1.SchemeGroupVersion.WithKind("Job")
	cronJobKind               = batchv1.SchemeGroupVersion.WithKind("CronJob")
)

// longestRead bounds what is read from the API server for the sake of an injection.
const longestRead = 2 * time.Second

// briefly leaves a decision at least half of its time, whatever the API server does.
func briefly(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := longestRead
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/2)
	}
	return context.WithTimeout(ctx, limit)
}

// rootCA is a ConfigMap that Kubernetes makes in every new namespace, together with the
// ServiceAccount that Pods need.
const rootCA = "kube-root-ca.crt"

// LabelledSince returns a time since when a namespace has the labels that it has: the last at
// which somebody changed it, by the managers of its fields. What was taken away leaves no time
// there. The second in which it was created is returned only if it had them before there could
// be Pods in it: its version is older than what Kubernetes puts into it at first. If nothing is
// known of the managers, known is false.
func LabelledSince(ctx context.Context, t Templates, name string) (since time.Time, known bool, err error) {
	namespace, err := t.Metadata(ctx, namespaceKind, "", name, "")
	if err != nil || namespace == nil {
		return time.Time{}, false, err
	}
	created := namespace.CreationTimestamp.Time
	since = created
	for _, entry := range namespace.ManagedFields {
		switch {
		case entry.Subresource != "":
			continue
		case entry.Time == nil:
			return time.Time{}, false, nil
		case entry.Time.After(since):
			since = entry.Time.Time
		}
		known = true
	}
	if !known || since.After(created) {
		return since, known, nil
	}
	first, err := t.Metadata(ctx, configMapKind, name, rootCA, "")
	if err != nil {
		return time.Time{}, false, err
	}
	if first != nil {
		if order, err := resourceversion.CompareResourceVersion(namespace.ResourceVersion, first.ResourceVersion); err != nil || order >= 0 {
			since = created.Add(time.Second)
		}
	}
	return since, true, nil
}

// unowned reports whether the request is a Pod of its own, or of a controller that is not
// Kubernetes': it cannot be known when an operator's template was written, and whoever makes
// a Pod by hand may name any owner. Such a Pod is written now.
func (e *existing) unowned() bool {
	if e.request.Workload.Template {
		return false
	}
	if !config.MakesFromTemplate(e.request.User, e.request.Kind.GroupKind()) {
		return true
	}
	owner := request.Controller(e.request.Object)
	switch (schema.GroupKind{Group: owner.Group, Kind: owner.Kind}) {
	case replicaSetKind.GroupKind(), jobKind.GroupKind(), replicationControllerKind.GroupKind(),
		schema.GroupKind{Group: appsv1.GroupName, Kind: "StatefulSet"}, schema.GroupKind{Group: appsv1.GroupName, Kind: "DaemonSet"}:
		return owner.Name == "" || owner.UID == ""
	}
	return true
}

// templateWritten returns when the template of the request's Pods was written: by the time at
// which the API server stored the revision of it that there is. What can be edited in place
// counts from when it was created, as there is no telling when its template was.
func (e *existing) templateWritten(ctx context.Context) written {
	if e.written == nil {
		ctx, cancel := briefly(ctx)
		defer cancel()
		at, err := e.readWritten(ctx)
		e.written = &written{at: at, err: err}
	}
	return *e.written
}

func (e *existing) readWritten(ctx context.Context) (time.Time, error) {
	r := e.request
	switch {
	case !r.Workload.Template:
		return e.ofPod(ctx)
	case r.Operation != decision.Update:
		if r.Kind.GroupKind() == jobKind.GroupKind() {
			return e.ofJob(ctx, request.Controller(r.Object), time.Time{})
		}
		return time.Time{}, nil
	case r.Kind.GroupKind() == jobKind.GroupKind():
		return e.ofJob(ctx, request.Controller(r.OldObject), createdAt(r.OldObject))
	case r.Kind.Group == appsv1.GroupName:
		if kind, revisioned := revisionKind(r.Kind.Kind); revisioned {
			return e.ofRevisions(ctx, kind)
		}
	}
	return createdAt(r.OldObject), nil
}

// ofPod is zero if the owner is not there: then nobody has made the Pod from a template.
func (e *existing) ofPod(ctx context.Context) (time.Time, error) {
	r, owner := e.request, request.Controller(e.request.Object)
	kind, name, uid := replicaSetKind, owner.Name, owner.UID
	switch owner.Kind {
	case "ReplicationController":
		kind = replicationControllerKind
	case "Job":
		kind = jobKind
	case "StatefulSet", "DaemonSet":
		kind, uid = controllerRevisionKind, ""
		hash, _, _ := unstructured.NestedString(r.Object, "metadata", "labels", appsv1.ControllerRevisionHashLabelKey)
		if hash == "" {
			return time.Time{}, nil
		}
		if name = hash; owner.Kind == "DaemonSet" {
			name = owner.Name + "-" + hash
		}
	}
	object, err := e.decider.options.Templates.Metadata(ctx, kind, r.Namespace.Name, name, uid)
	if err != nil || object == nil {
		return time.Time{}, err
	}
	controller := metav1.GetControllerOf(object)
	switch kind {
	case controllerRevisionKind:
		if controller == nil || string(controller.UID) != owner.UID {
			return time.Time{}, nil
		}
	case jobKind:
		return e.ofJob(ctx, ownerOf(controller), object.CreationTimestamp.Time)
	}
	return object.CreationTimestamp.Time, nil
}

func ownerOf(controller *metav1.OwnerReference) request.Owner {
	if controller == nil {
		return request.Owner{}
	}
	kind := schema.FromAPIVersionAndKind(controller.APIVersion, controller.Kind)
	return request.Owner{Group: kind.Group, Kind: kind.Kind, Name: controller.Name, UID: string(controller.UID)}
}

// ofJob is when a CronJob was created for a Job of it, and otherwise when the Job was.
func (e *existing) ofJob(ctx context.Context, owner request.Owner, created time.Time) (time.Time, error) {
	if (schema.GroupKind{Group: owner.Group, Kind: owner.Kind}) != cronJobKind.GroupKind() || owner.Name == "" || owner.UID == "" {
		return created, nil
	}
	object, err := e.decider.options.Templates.Metadata(ctx, cronJobKind, e.request.Namespace.Name, owner.Name, owner.UID)
	if err != nil || object == nil {
		return created, err
	}
	return object.CreationTimestamp.Time, nil
}

// ofRevisions is when the oldest revision with the request's template was made, and zero if
// there is none yet.
func (e *existing) ofRevisions(ctx context.Context, kind schema.GroupVersionKind) (oldest time.Time, err error) {
	r := e.request
	uid, _, _ := unstructured.NestedString(r.OldObject, "metadata", "uid")
	selector := mapOf(mapOf(r.OldObject, "spec"), "selector")
	if e.decider.options.Live == nil || uid == "" || len(selector) == 0 {
		return createdAt(r.OldObject), nil
	}
	for revision, err := range e.decider.options.Live.Revisions(ctx, kind, r.Namespace.Name, selector) {
		if err != nil {
			return time.Time{}, err
		}
		if request.Controller(revision).UID != uid || !request.SameTemplate(r.Workload.Pod, templateOf(revision, kind.Kind), addedTo(kind.Kind)...) {
			continue
		}
		if created := createdAt(revision); oldest.IsZero() || created.Before(oldest) {
			oldest = created
		}
	}
	return oldest, nil
}

// createdAt is zero if the object says nothing of it.
func createdAt(object map[string]any) time.Time {
	text, _, _ := unstructured.NestedString(object, "metadata", "creationTimestamp")
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}
