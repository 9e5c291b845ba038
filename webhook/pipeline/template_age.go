package pipeline

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// Templates reads the metadata that shows when a template was written. Implementations must be
// safe for concurrent use, and must not lag behind the API server.
type Templates interface {
	// Metadata returns nil if there is no such object, or if uid is set and the object has
	// another one.
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

// rootCA is a ConfigMap that Kubernetes creates in every new namespace, together with the
// ServiceAccount that Pods need.
const rootCA = "kube-root-ca.crt"

// LabeledSince returns a time since which a namespace has had its current labels: the last
// change in its managed fields. A removed label leaves no timestamp there. Timestamps have a
// resolution of one second, so the second of creation is returned only if the namespace had the
// labels before it could have Pods: its version must be older than that of the first objects
// that Kubernetes creates in it. Otherwise the next second is returned. If there are no managed
// fields, known is false.
func LabeledSince(ctx context.Context, t Templates, name string) (since time.Time, known bool, err error) {
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

// unowned reports whether the request is for a Pod without a controller, or with one that is
// not built in. It is impossible to know when an operator wrote its template, and whoever
// creates a Pod by hand may name any owner, so such a Pod counts as written now.
func (p *planner) unowned() bool {
	if p.request.Workload.Template {
		return false
	}
	if !config.CreatesFromTemplate(p.request.User, p.request.Kind.GroupKind()) {
		return true
	}
	owner := request.Controller(p.request.Object)
	switch (schema.GroupKind{Group: owner.Group, Kind: owner.Kind}) {
	case replicaSetKind.GroupKind(), jobKind.GroupKind(), replicationControllerKind.GroupKind(),
		schema.GroupKind{Group: appsv1.GroupName, Kind: "StatefulSet"}, schema.GroupKind{Group: appsv1.GroupName, Kind: "DaemonSet"}:
		return owner.Name == "" || owner.UID == ""
	}
	return true
}

// templateWritten returns when the template of the request's Pods was written, which is when
// the API server stored the matching revision. For kinds without revisions, whose template can
// be edited in place, it is when the object was created, because the time of an edit is not
// recorded.
func (p *planner) templateWritten(ctx context.Context) written {
	if p.written == nil {
		ctx, cancel := withReadTimeout(ctx)
		defer cancel()
		at, err := p.readWritten(ctx)
		p.written = &written{at: at, err: err}
	}
	return *p.written
}

func (p *planner) readWritten(ctx context.Context) (time.Time, error) {
	r := p.request
	switch {
	case !r.Workload.Template:
		return p.ofPod(ctx)
	case r.Operation != decision.Update:
		if r.Kind.GroupKind() == jobKind.GroupKind() {
			return p.ofJob(ctx, request.Controller(r.Object), time.Time{})
		}
		return time.Time{}, nil
	case r.Kind.GroupKind() == jobKind.GroupKind():
		return p.ofJob(ctx, request.Controller(r.OldObject), createdAt(r.OldObject))
	case r.Kind.Group == appsv1.GroupName:
		if kind, revisioned := revisionKind(r.Kind.Kind); revisioned {
			return p.ofRevisions(ctx, kind)
		}
	}
	return createdAt(r.OldObject), nil
}

// ofPod returns zero if the owner does not exist: then the Pod was not made from a template.
func (p *planner) ofPod(ctx context.Context) (time.Time, error) {
	r, owner := p.request, request.Controller(p.request.Object)
	kind, name, uid := replicaSetKind, owner.Name, owner.UID
	switch owner.Kind {
	case "ReplicationController":
		kind = replicationControllerKind
	case "Job":
		kind = jobKind
	case "StatefulSet", "DaemonSet":
		kind, uid = controllerRevisionKind, ""
		hash := decision.StringAt(r.Object, "metadata", "labels", appsv1.ControllerRevisionHashLabelKey)
		if hash == "" {
			return time.Time{}, nil
		}
		if name = hash; owner.Kind == "DaemonSet" {
			name = owner.Name + "-" + hash
		}
	}
	object, err := p.templates.Metadata(ctx, kind, r.Namespace.Name, name, uid)
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
		return p.ofJob(ctx, request.OwnerOf(controller), object.CreationTimestamp.Time)
	}
	return object.CreationTimestamp.Time, nil
}

// ofJob returns when the CronJob of a Job was created, or when the Job was if it has none.
func (p *planner) ofJob(ctx context.Context, owner request.Owner, created time.Time) (time.Time, error) {
	if (schema.GroupKind{Group: owner.Group, Kind: owner.Kind}) != cronJobKind.GroupKind() || owner.Name == "" || owner.UID == "" {
		return created, nil
	}
	object, err := p.templates.Metadata(ctx, cronJobKind, p.request.Namespace.Name, owner.Name, owner.UID)
	if err != nil || object == nil {
		return created, err
	}
	return object.CreationTimestamp.Time, nil
}

// ofRevisions returns when the oldest revision with the request's template was created, or zero
// if there is none yet.
func (p *planner) ofRevisions(ctx context.Context, kind schema.GroupVersionKind) (oldest time.Time, err error) {
	r := p.request
	uid := decision.StringAt(r.OldObject, "metadata", "uid")
	selector := decision.MapAt(r.OldObject, "spec", "selector")
	if p.live == nil || uid == "" || len(selector) == 0 {
		return createdAt(r.OldObject), nil
	}
	for revision, err := range p.live.Revisions(ctx, kind, r.Namespace.Name, selector) {
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

// createdAt returns zero if the object has no valid creation timestamp.
func createdAt(object map[string]any) time.Time {
	at, err := time.Parse(time.RFC3339, decision.StringAt(object, "metadata", "creationTimestamp"))
	if err != nil {
		return time.Time{}
	}
	return at
}
