//go:build e2e

package e2e

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/test/harness"
)

// Everything that Taffrail needs may be gone at once, under failurePolicy Fail: the cluster
// comes back by itself, nobody lends a hand, and meanwhile nothing gets in undecided.
func TestEveryReplicaIsGone(t *testing.T) {
	install(t, "eks")
	namespace(t, shop)
	for _, test := range []struct {
		name string
		harm func(t *testing.T)
	}{
		{"every replica and the CNI's Pods gone", func(t *testing.T) { killAll(t); deleteAll(t) }},
		{"control plane restarted", restartControlPlane},
		{"both at once", func(t *testing.T) { killAll(t); deleteAll(t); restartControlPlane(t) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			settled(t)
			before := mustReplicas(t, 3)
			load := startLoad(t, shop)
			test.harm(t)
			eventually(t, "the API server", func(ctx context.Context) error {
				_, err := world.admin.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
				return err
			})
			settled(t)
			enforced(t, shop)
			load.more(t, 2*writesPerSecond)
			result := load.end(t, test.name)
			if len(result.failed) == 0 {
				t.Errorf("nothing failed: %d replicas were there before, and nobody missed them", len(before))
			}
		})
	}
}

// killAll ends the process of every replica.
func killAll(t *testing.T) {
	t.Helper()
	pods := mustReplicas(t, 3)
	for i := range pods {
		signalPod(t, &pods[i], "KILL")
	}
}

// deleteAll deletes the Pods of every replica without a moment's grace, and those of kind's
// CNI, where there are any: a node image without kindnet has its network from the node.
func deleteAll(t *testing.T) {
	t.Helper()
	kubectl(t, world.admin, "delete pods --force --grace-period=0 --namespace="+systemNamespace+" --selector="+replicaLabels)
	kubectl(t, world.admin, "delete pods --force --grace-period=0 --namespace=kube-system --selector=app=kindnet")
}

func restartControlPlane(t *testing.T) {
	t.Helper()
	must(t, world.cluster.restart(t.Context(), world.cluster.controlPlane()))
}

// letsIn wants a violating Pod to be admitted.
func letsIn(ctx context.Context) error { return createDry(ctx, "registry.example/app") }

// createDry creates a Pod in the shop as Alice, as a dry run.
func createDry(ctx context.Context, image string) error {
	pod := harness.ProbePod(shop, image)
	_, err := world.alice.client.CoreV1().Pods(shop).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}
