package request_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// Every kind that a policy covers is rejected in API versions that are no longer served, in versions of another
// group, and in another spelling: as a custom resource it would not be decided.
func TestEveryKindIsRefusedInWhatNoAPIServerServes(t *testing.T) {
	never := []string{"v1", "apps/v1", "batch/v1", "v2", "apps/v2", "batch/v2", "extensions/v1beta1", "apps/v1beta1", "apps/v1beta2", "batch/v1beta1", "batch/v2alpha1"}
	for served, kinds := range map[string][]string{
		"v1":       {"Pod", "Service", "Secret", "ConfigMap", "Namespace", "PersistentVolumeClaim", "ReplicationController"},
		"apps/v1":  {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision"},
		"batch/v1": {"Job", "CronJob"},
	} {
		for _, kind := range kinds {
			for _, version := range never {
				if version != served {
					refusedAs(t, version, kind, served)
				}
			}
			for _, spelling := range []string{strings.ToLower(kind), strings.ToUpper(kind), strings.ToLower(kind[:1]) + kind[1:]} {
				refusedAs(t, served, spelling, served)
			}
			object := map[string]any{"apiVersion": served, "kind": kind, "metadata": map[string]any{"name": "x"}, "spec": map[string]any{}}
			if _, err := request.Manifest(object, "default"); err != nil && strings.Contains(err.Error(), "write "+served+"/"+kind) {
				t.Errorf("%s/%s: %v", served, kind, err)
			}
			elsewhere := map[string]any{"apiVersion": "example.com/v1", "kind": kind, "metadata": map[string]any{"name": "x"}}
			if _, err := request.Manifest(elsewhere, "default"); err != nil {
				t.Errorf("a custom %s: %v", kind, err)
			}
		}
	}
}

func refusedAs(t *testing.T, version, kind, served string) {
	t.Helper()
	object := map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": "x"}}
	_, err := request.Manifest(object, "default")
	if field, ok := errors.AsType[*request.FieldError](err); !ok || !strings.Contains(field.Reason, served) {
		t.Errorf("%s %s: got %v", version, kind, err)
	}
}

// Every kind with a template is among the kinds above, including those added later.
func TestTemplatesAreReadInTheVersionThatIsServed(t *testing.T) {
	for _, kind := range decision.PodKinds() {
		object := map[string]any{"apiVersion": schema.GroupVersion{Group: kind.Group, Version: "v1beta9"}.String(), "kind": kind.Kind, "metadata": map[string]any{"name": "x"}}
		if _, err := request.Manifest(object, "default"); err == nil {
			t.Errorf("%s of a version that nobody serves passes", kind)
		}
	}
}

// The cluster-scoped kinds are those that `kubectl api-resources --namespaced=false` lists in Kubernetes 1.33,
// by group.
func TestClusterScopedKinds(t *testing.T) {
	for version, kinds := range map[string]map[string]bool{
		"v1":                              {"Namespace": true, "Node": true, "PersistentVolume": true, "Pod": false, "Service": false, "PersistentVolumeClaim": false, "ServiceAccount": false},
		"rbac.authorization.k8s.io/v1":    {"ClusterRole": true, "ClusterRoleBinding": true, "Role": false, "RoleBinding": false},
		"storage.k8s.io/v1":               {"StorageClass": true, "CSIDriver": true, "CSINode": true, "VolumeAttachment": true, "VolumeAttributesClass": true, "CSIStorageCapacity": false},
		"networking.k8s.io/v1":            {"IngressClass": true, "IPAddress": true, "ServiceCIDR": true, "Ingress": false, "NetworkPolicy": false},
		"admissionregistration.k8s.io/v1": {"MutatingWebhookConfiguration": true, "ValidatingWebhookConfiguration": true, "ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true},
		"apiextensions.k8s.io/v1":         {"CustomResourceDefinition": true},
		"apiregistration.k8s.io/v1":       {"APIService": true},
		"certificates.k8s.io/v1":          {"CertificateSigningRequest": true},
		"flowcontrol.apiserver.k8s.io/v1": {"FlowSchema": true, "PriorityLevelConfiguration": true},
		"node.k8s.io/v1":                  {"RuntimeClass": true},
		"scheduling.k8s.io/v1":            {"PriorityClass": true},
		"taffrail.dev/v1alpha1":           {"Guardrail": true, "Exemption": true, "Policy": true},
		"apps/v1":                         {"ControllerRevision": false},
		"policy/v1":                       {"PodDisruptionBudget": false},
		"autoscaling/v2":                  {"HorizontalPodAutoscaler": false},
		"example.com/v1":                  {"Widget": false, "Node": false},
	} {
		for kind, cluster := range kinds {
			for given, want := range map[string]string{"": "default", "given": "given"} {
				metadata := map[string]any{"name": "x"}
				if given != "" {
					metadata["namespace"] = given
				}
				r, err := request.Manifest(map[string]any{"apiVersion": version, "kind": kind, "metadata": metadata, "spec": map[string]any{}}, "default")
				if r == nil {
					t.Errorf("%s %s: %v", version, kind, err)
					continue
				}
				if cluster {
					want = ""
				}
				if r.Namespace.Name != want {
					t.Errorf("%s %s in %q: got %q", version, kind, given, r.Namespace.Name)
				}
			}
		}
	}
}
