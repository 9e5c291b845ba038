package config_test

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// controllers lists the service accounts of Kubernetes' controllers, as named in kube-apiserver's built-in
// ClusterRoles (system:controller:…).
func controllers() []string {
	return []string{
		"attachdetach-controller", "bootstrap-signer", "certificate-controller", "clusterrole-aggregation-controller",
		"cronjob-controller", "daemon-set-controller", "deployment-controller", "device-taint-eviction-controller",
		"disruption-controller", "endpoint-controller", "endpointslice-controller", "endpointslicemirroring-controller",
		"ephemeral-volume-controller", "expand-controller", "generic-garbage-collector", "horizontal-pod-autoscaler",
		"job-controller", "legacy-service-account-token-cleaner", "namespace-controller", "node-controller",
		"persistent-volume-binder", "pod-garbage-collector", "pv-protection-controller", "pvc-protection-controller",
		"replicaset-controller", "replication-controller", "resource-claim-controller", "resourcequota-controller",
		"root-ca-cert-publisher", "route-controller", "service-account-controller", "service-cidrs-controller",
		"service-controller", "statefulset-controller", "taint-eviction-controller", "token-cleaner",
		"ttl-after-finished-controller", "ttl-controller", "validatingadmissionpolicy-status-controller",
	}
}

// Each controller is trusted with the kinds that Kubernetes' source shows it to write, and with no others.
func TestEveryControllerIsTrustedWithWhatItWrites(t *testing.T) {
	writers := map[string][]string{
		"Pod":                   {"replicaset-controller", "statefulset-controller", "daemon-set-controller", "job-controller", "replication-controller"},
		"ReplicaSet.apps":       {"deployment-controller"},
		"Job.batch":             {"cronjob-controller"},
		"Deployment.apps":       {"deployment-controller"},
		"PersistentVolumeClaim": {"statefulset-controller", "ephemeral-volume-controller", "persistent-volume-binder", "expand-controller"},
		"ConfigMap":             {"root-ca-cert-publisher", "bootstrap-signer"},
		"Secret":                {"legacy-service-account-token-cleaner"},
		"StatefulSet.apps":      nil, "DaemonSet.apps": nil, "CronJob.batch": nil, "ReplicationController": nil,
		"Service": nil, "Namespace": nil, "ControllerRevision.apps": nil, "Pod.example.com": nil,
	}
	everything := append(decision.PodKinds(), schema.GroupKind{Kind: "PersistentVolumeClaim"})
	for name, trusted := range writers {
		kind := schema.ParseGroupKind(name)
		for _, controller := range controllers() {
			want := slices.Contains(trusted, controller)
			for _, operation := range []decision.Operation{decision.Create, decision.Update} {
				r := &decision.Request{
					Kind: kind.WithVersion("v1"), User: sa(controller), Operation: operation,
					Workload: &decision.Workload{PodPath: "spec.template"},
				}
				if got := trustedWith(t, r, "k", v1alpha1.TrustedWriters{}, append(everything, kind)...); got != want {
					t.Errorf("%s of %s by %s: got %v, want %v", operation, name, controller, got, want)
				}
			}
		}
	}
}

// Every kind that is created from a template has a known controller.
func TestWhoMakesFromTemplates(t *testing.T) {
	makers := map[string][]string{
		"Pod":                   {"replicaset-controller", "statefulset-controller", "daemon-set-controller", "job-controller", "replication-controller"},
		"ReplicaSet.apps":       {"deployment-controller"},
		"Job.batch":             {"cronjob-controller"},
		"Deployment.apps":       {"deployment-controller"},
		"PersistentVolumeClaim": {"statefulset-controller", "ephemeral-volume-controller"},
		"ConfigMap":             nil, "Secret": nil, "Service": nil,
	}
	manager := decision.User{Name: "system:kube-controller-manager"}
	for name, makes := range makers {
		kind := schema.ParseGroupKind(name)
		for _, controller := range controllers() {
			if got := config.CreatesFromTemplate(sa(controller), kind); got != slices.Contains(makes, controller) {
				t.Errorf("%s by %s: got %v", name, controller, got)
			}
			if config.CreatesFromTemplate(decision.User{Name: controller}, kind) {
				t.Errorf("%s by a user who is only called %s", name, controller)
			}
		}
		if got := config.CreatesFromTemplate(manager, kind); got != (makes != nil) {
			t.Errorf("%s by the controller manager: got %v", name, got)
		}
	}
}

// Each task belongs to one controller, or to the controller manager where controllers share its user.
func TestControllersAreKnownByTheirTask(t *testing.T) {
	set, daemons := schema.GroupKind{Group: "apps", Kind: "StatefulSet"}, schema.GroupKind{Group: "apps", Kind: "DaemonSet"}
	users := []decision.User{{Name: "system:kube-controller-manager"}, {Name: "deployment-controller"}, {Name: "system:serviceaccount:default:deployment-controller"}}
	for _, name := range controllers() {
		users = append(users, sa(name))
	}
	for _, user := range users {
		manager := user.Name == "system:kube-controller-manager"
		var revisions []schema.GroupKind
		switch {
		case manager:
			revisions = []schema.GroupKind{set, daemons}
		case user.Name == sa("statefulset-controller").Name:
			revisions = []schema.GroupKind{set}
		case user.Name == sa("daemon-set-controller").Name:
			revisions = []schema.GroupKind{daemons}
		}
		if got := config.RevisionController(user); !slices.Equal(got, revisions) {
			t.Errorf("%s keeps revisions of %v", user.Name, got)
		}
		if got := config.DeploymentController(user); got != (manager || user.Name == sa("deployment-controller").Name) {
			t.Errorf("%s makes ReplicaSets: %v", user.Name, got)
		}
		if got := config.GarbageCollector(user); got != (manager || user.Name == sa("generic-garbage-collector").Name) {
			t.Errorf("%s collects garbage: %v", user.Name, got)
		}
	}
}
