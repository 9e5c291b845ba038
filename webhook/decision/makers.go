package decision

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Maker is a built-in controller that writes objects of a kind.
type Maker struct {
	// Controller is the name of its service account in kube-system.
	Controller string
	// Owner is what such an object names as its controller, the zero GroupKind where it
	// names none.
	Owner schema.GroupKind
	// From are the kinds that carry the templates which it writes into such objects. It is
	// empty for a controller that writes no template.
	From []schema.GroupKind
	// Updates is true for a controller that writes a template into objects that exist, and
	// creates none.
	Updates bool
}

// Makers returns the built-in controllers that write objects of a kind. Left out are their
// updates of statuses, which are not decided, and of finalizers and ownerReferences, for
// which nobody is denied.
func Makers(kind schema.GroupKind) []Maker {
	deployment, replicaSet := apps("Deployment"), apps("ReplicaSet")
	statefulSet, daemonSet := apps("StatefulSet"), apps("DaemonSet")
	job, cronJob := batch("Job"), batch("CronJob")
	pod, controller := schema.GroupKind{Kind: "Pod"}, schema.GroupKind{Kind: "ReplicationController"}
	switch kind {
	case pod:
		return []Maker{
			{Controller: "replicaset-controller", Owner: replicaSet, From: []schema.GroupKind{replicaSet}},
			{Controller: "statefulset-controller", Owner: statefulSet, From: []schema.GroupKind{statefulSet}},
			{Controller: "daemon-set-controller", Owner: daemonSet, From: []schema.GroupKind{daemonSet}},
			{Controller: "job-controller", Owner: job, From: []schema.GroupKind{job}},
			{Controller: "replication-controller", Owner: controller, From: []schema.GroupKind{controller}},
		}
	case replicaSet:
		return []Maker{{Controller: "deployment-controller", Owner: deployment, From: []schema.GroupKind{deployment}}}
	case job:
		return []Maker{{Controller: "cronjob-controller", Owner: cronJob, From: []schema.GroupKind{cronJob}}}
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		return []Maker{
			{Controller: "statefulset-controller", From: []schema.GroupKind{statefulSet}},
			{Controller: "ephemeral-volume-controller", Owner: pod, From: []schema.GroupKind{pod}},
			{Controller: "persistent-volume-binder"},
			{Controller: "expand-controller"},
		}
	case deployment:
		// By the annotation deprecated.deployment.rollback.to it puts a ReplicaSet's template
		// back. Until that succeeds, it does nothing else for the Deployment.
		return []Maker{{Controller: "deployment-controller", From: []schema.GroupKind{replicaSet}, Updates: true}}
	case schema.GroupKind{Kind: "ConfigMap"}:
		return []Maker{{Controller: "root-ca-cert-publisher"}, {Controller: "bootstrap-signer"}}
	case schema.GroupKind{Kind: "Secret"}:
		return []Maker{{Controller: "legacy-service-account-token-cleaner"}}
	}
	return nil
}

// PodKinds are Pod and TemplateKinds.
func PodKinds() []schema.GroupKind {
	return append([]schema.GroupKind{{Kind: "Pod"}}, TemplateKinds()...)
}

// TemplateKinds are the kinds that carry the template of a Pod, in the order in which people
// name them.
func TemplateKinds() []schema.GroupKind {
	return []schema.GroupKind{
		apps("Deployment"), apps("StatefulSet"), apps("DaemonSet"), apps("ReplicaSet"),
		{Kind: "ReplicationController"}, batch("Job"), batch("CronJob"),
	}
}

// Decided reports whether every kind that the Maker creates objects from is among kinds.
func (m *Maker) Decided(kinds []schema.GroupKind) bool {
	return !slices.ContainsFunc(m.From, func(from schema.GroupKind) bool { return !slices.Contains(kinds, from) })
}

func apps(kind string) schema.GroupKind { return schema.GroupKind{Group: appsv1.GroupName, Kind: kind} }

func batch(kind string) schema.GroupKind {
	return schema.GroupKind{Group: batchv1.GroupName, Kind: kind}
}
