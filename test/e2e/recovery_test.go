//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/test/harness"
)

// Everything that Taffrail depends on may be gone at once, under failurePolicy Fail: the cluster recovers
// without intervention, and nothing is admitted undecided meanwhile.
func TestEveryReplicaIsGone(t *testing.T) {
	install(t, "eks", closedConfigMaps)
	namespace(t, shop)
	for _, test := range []struct {
		name string
		// harm returns a description of what it did.
		harm func(t *testing.T, all []dependency) string
	}{
		{"every replica and its network gone", func(t *testing.T, all []dependency) string { killAll(t); return deleteAll(t, all) }},
		{"control plane restarted", func(t *testing.T, _ []dependency) string { return restartControlPlane(t) }},
		{"both at once", func(t *testing.T, all []dependency) string {
			killAll(t)
			return deleteAll(t, all) + "; " + restartControlPlane(t)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			settled(t)
			all := dependencies(t)
			load := startLoad(t, shop)
			harm := test.harm(t, all)
			eventually(t, "the API server", func(ctx context.Context) error {
				_, err := world.admin.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
				return err
			})
			settled(t)
			enforced(t, shop)
			for i := range all {
				all[i].awaitBack(t)
			}
			load.more(t, 2*writesPerSecond)
			result := load.end(t, harm)
			if len(result.failed) == 0 {
				t.Errorf("nothing failed, and nobody missed what was harmed: %s", harm)
			}
		})
	}
}

// killAll kills the process of every replica.
func killAll(t *testing.T) {
	t.Helper()
	pods := mustReplicas(t, 3)
	for i := range pods {
		signalPod(t, &pods[i], "KILL")
	}
}

// dependency is a group of Pods that replicas need in order to be reachable or to reach others, or the replicas
// themselves.
type dependency struct {
	name, namespace, labels string
	// least is the required number of Pods.
	least int
	pods  []corev1.Pod
}

// dependencies returns those that exist, and waits until they are ready. A node image without kindnet provides
// the network itself.
func dependencies(t *testing.T) []dependency {
	t.Helper()
	all := []dependency{
		{name: "Taffrail", namespace: systemNamespace, labels: replicaLabels, least: 3},
		{name: "kube-proxy", namespace: metav1.NamespaceSystem, labels: "k8s-app=kube-proxy", least: 3},
		{name: "CoreDNS", namespace: metav1.NamespaceSystem, labels: "k8s-app=kube-dns", least: 1},
		{name: "kindnet", namespace: metav1.NamespaceSystem, labels: "app=kindnet"},
	}
	for i := range all {
		d := &all[i]
		eventually(t, d.name, func(ctx context.Context) error {
			var err error
			if d.pods, err = d.list(ctx); err == nil && len(d.pods) < d.least {
				err = fmt.Errorf("%d Pods, want %d", len(d.pods), d.least)
			}
			return err
		})
	}
	return all
}

// list returns the current Pods. A Pod that is not ready is an error.
func (d *dependency) list(ctx context.Context) ([]corev1.Pod, error) {
	list, err := world.admin.client.CoreV1().Pods(d.namespace).List(ctx, metav1.ListOptions{LabelSelector: d.labels})
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		if !ready(&list.Items[i]) {
			return nil, fmt.Errorf("Pod %s is not ready", list.Items[i].Name)
		}
	}
	return list.Items, nil
}

// awaitBack waits until the previous number of Pods is ready.
func (d *dependency) awaitBack(t *testing.T) {
	t.Helper()
	eventually(t, d.name+" to be back", func(ctx context.Context) error {
		now, err := d.list(ctx)
		if err == nil && len(now) != len(d.pods) {
			err = fmt.Errorf("%d Pods, were %d", len(now), len(d.pods))
		}
		return err
	})
}

// deleteAll deletes every Pod without a grace period, and returns a description with their number.
func deleteAll(t *testing.T, all []dependency) string {
	t.Helper()
	var deleted []string
	for i := range all {
		d := &all[i]
		for j := range d.pods {
			err := world.admin.client.CoreV1().Pods(d.namespace).Delete(t.Context(), d.pods[j].Name, metav1.DeleteOptions{
				GracePeriodSeconds: new(int64), Preconditions: metav1.NewUIDPreconditions(string(d.pods[j].UID)),
			})
			must(t, err)
		}
		if len(d.pods) > 0 {
			deleted = append(deleted, fmt.Sprintf("%d %s", len(d.pods), d.name))
		}
	}
	return "Pods gone: " + strings.Join(deleted, ", ")
}

func restartControlPlane(t *testing.T) string {
	t.Helper()
	must(t, world.cluster.restart(t.Context(), world.cluster.controlPlane()))
	return "control plane restarted"
}

// letsIn requires that a violating Pod is admitted.
func letsIn(ctx context.Context) error { return createDry(ctx, "registry.example/app") }

// createDry creates a Pod in the shop as Alice, as a dry run.
func createDry(ctx context.Context, image string) error {
	pod := harness.ProbePod(shop, image)
	_, err := world.alice.client.CoreV1().Pods(shop).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}
