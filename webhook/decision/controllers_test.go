package decision_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// The table of who writes which kind matches Kubernetes' own controllers.
func TestControllersAreThoseOfKubernetes(t *testing.T) {
	for kind, want := range map[string]string{
		"Pod": "replicaset-controller of ReplicaSet.apps from ReplicaSet.apps, statefulset-controller of StatefulSet.apps from StatefulSet.apps, " +
			"daemon-set-controller of DaemonSet.apps from DaemonSet.apps, job-controller of Job.batch from Job.batch, " +
			"replication-controller of ReplicationController from ReplicationController",
		"ReplicaSet.apps":       "deployment-controller of Deployment.apps from Deployment.apps",
		"Job.batch":             "cronjob-controller of CronJob.batch from CronJob.batch",
		"PersistentVolumeClaim": "statefulset-controller of  from StatefulSet.apps, ephemeral-volume-controller of Pod from Pod, persistent-volume-binder of , expand-controller of ",
		"Deployment.apps":       "deployment-controller of  from ReplicaSet.apps updates",
		"ConfigMap":             "root-ca-cert-publisher of , bootstrap-signer of ",
		"Secret":                "legacy-service-account-token-cleaner of ",
		"Service":               "", "StatefulSet.apps": "", "CronJob.batch": "", "Pod.example.com": "", "ReplicationController": "",
	} {
		var got []string
		for _, controller := range decision.Controllers(schema.ParseGroupKind(kind)) {
			text := controller.Name + " of " + controller.Owner.String()
			for _, from := range controller.From {
				text += " from " + from.String()
			}
			if controller.Updates {
				text += " updates"
			}
			got = append(got, text)
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: got %s", kind, text)
		}
	}
	if got := fmt.Sprint(decision.PodKinds()); got != "[Pod Deployment.apps StatefulSet.apps DaemonSet.apps ReplicaSet.apps ReplicationController Job.batch CronJob.batch]" {
		t.Errorf("got %s", got)
	}
}

func TestAControllerIsDecidedWhereAllItCreatesFromIs(t *testing.T) {
	one, other := schema.GroupKind{Kind: "One"}, schema.GroupKind{Kind: "Other"}
	for name, c := range map[string]struct {
		from, kinds []schema.GroupKind
		want        bool
	}{
		"nothing": {nil, nil, true}, "one of none": {[]schema.GroupKind{one}, nil, false}, "one": {[]schema.GroupKind{one}, []schema.GroupKind{other, one}, true},
		"one of two": {[]schema.GroupKind{one, other}, []schema.GroupKind{one}, false}, "two": {[]schema.GroupKind{one, other}, []schema.GroupKind{one, other}, true},
	} {
		if got := (&decision.Controller{From: c.from}).Decided(c.kinds); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestAContainersPointer(t *testing.T) {
	for path, want := range map[string]decision.Pointer{
		"spec.containers[0]": "/spec/containers/0", "spec.template.spec.initContainers[12]": "/spec/template/spec/initContainers/12", "": "",
	} {
		if got := (&decision.Container{Path: path}).Pointer(); got != want {
			t.Errorf("%q: got %q", path, got)
		}
	}
}

func TestWhereAFieldOfAContainerIs(t *testing.T) {
	w := &decision.Workload{Containers: []decision.Container{{Name: "a", Path: "spec.containers[0]"}, {Name: "b", Path: "spec.containers[1]"}}}
	for container, want := range map[string]string{"a": "spec.containers[0].image", "b": "spec.containers[1].image", "c": "image", "": "image"} {
		if got := w.FieldPath(container, "image"); got != want {
			t.Errorf("%s: got %s", container, got)
		}
	}
	if got := (*decision.Workload)(nil).FieldPath("a", "image"); got != "image" {
		t.Errorf("got %s", got)
	}
}
