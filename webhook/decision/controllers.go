package decision

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Controller is a built-in controller that writes objects of a kind.
type Controller struct {
	// Name is the name of the controller's service account in kube-system.
	Name string
	// Owner is the kind of the controlling owner that the controller sets on the objects, or
	// zero if it sets none.
	Owner schema.GroupKind
	// From has the kinds whose templates the controller copies into the objects. It is empty if
	// the controller copies no template.
	From []schema.GroupKind
	// Updates is true if the controller copies a template into existing objects and creates
	// none.
	Updates bool
}

// Controllers returns the built-in controllers that write objects of a kind. It omits those
// that only update a status, which is not decided, or finalizers and ownerReferences, which are
// never denied.
func Controllers(kind schema.GroupKind) []Controller {
	deployment, replicaSet := apps("Deployment"), apps("ReplicaSet")
	statefulSet, daemonSet := apps("StatefulSet"), apps("DaemonSet")
	job, cronJob := batch("Job"), batch("CronJob")
	pod, controller := schema.GroupKind{Kind: "Pod"}, schema.GroupKind{Kind: "ReplicationController"}
	switch kind {
	case pod:
		return []Controller{
			{Name: "replicaset-controller", Owner: replicaSet, From: []schema.GroupKind{replicaSet}},
			{Name: "statefulset-controller", Owner: statefulSet, From: []schema.GroupKind{statefulSet}},
			{Name: "daemon-set-controller", Owner: daemonSet, From: []schema.GroupKind{daemonSet}},
			{Name: "job-controller", Owner: job, From: []schema.GroupKind{job}},
			{Name: "replication-controller", Owner: controller, From: []schema.GroupKind{controller}},
		}
	case replicaSet:
		return []Controller{{Name: "deployment-controller", Owner: deployment, From: []schema.GroupKind{deployment}}}
	case job:
		return []Controller{{Name: "cronjob-controller", Owner: cronJob, From: []schema.GroupKind{cronJob}}}
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		return []Controller{
			{Name: "statefulset-controller", From: []schema.GroupKind{statefulSet}},
			{Name: "ephemeral-volume-controller", Owner: pod, From: []schema.GroupKind{pod}},
			{Name: "persistent-volume-binder"},
			{Name: "expand-controller"},
		}
	case deployment:
		// The annotation deprecated.deployment.rollback.to makes the controller copy a
		// ReplicaSet's template back. Until that succeeds, it does nothing else for the
		// Deployment.
		return []Controller{{Name: "deployment-controller", From: []schema.GroupKind{replicaSet}, Updates: true}}
	case schema.GroupKind{Kind: "ConfigMap"}:
		return []Controller{{Name: "root-ca-cert-publisher"}, {Name: "bootstrap-signer"}}
	case schema.GroupKind{Kind: "Secret"}:
		return []Controller{{Name: "legacy-service-account-token-cleaner"}}
	}
	return nil
}

// PodKinds returns Pod and the kinds that have a Pod template, the most common ones first.
func PodKinds() []schema.GroupKind {
	return []schema.GroupKind{
		{Kind: "Pod"},
		apps("Deployment"), apps("StatefulSet"), apps("DaemonSet"), apps("ReplicaSet"),
		{Kind: "ReplicationController"}, batch("Job"), batch("CronJob"),
	}
}

// Decided reports whether kinds includes every kind that the controller copies a template from.
func (c *Controller) Decided(kinds []schema.GroupKind) bool {
	return !slices.ContainsFunc(c.From, func(from schema.GroupKind) bool { return !slices.Contains(kinds, from) })
}

func apps(kind string) schema.GroupKind { return schema.GroupKind{Group: appsv1.GroupName, Kind: kind} }

func batch(kind string) schema.GroupKind {
	return schema.GroupKind{Group: batchv1.GroupName, Kind: kind}
}
