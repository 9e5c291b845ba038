//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// shop is the namespace of the load.
	shop = "shop"
	// proxySync limits the time that kube-proxy takes to follow the endpoints.
	proxySync = 2 * time.Second
)

// With three nodes, three replicas and failurePolicy Fail, no request of a continuous load fails while every
// replica is replaced, or while a node is drained.
func TestRollingUpdateAndDrain(t *testing.T) {
	install(t, "eks")
	namespace(t, shop)

	load := startLoad(t, shop)
	before := mustReplicas(t, 3)
	install(t, "eks", "podAnnotations.rolled=again")
	load.more(t, 2*writesPerSecond)
	load.unharmed(t, "rolling update")
	for _, old := range before {
		for _, now := range mustReplicas(t, 3) {
			if now.UID == old.UID {
				t.Errorf("Pod %s was not replaced", old.Name)
			}
		}
	}

	node := mustReplicas(t, 3)[0].Spec.NodeName
	if node == world.cluster.controlPlane() {
		node = mustReplicas(t, 3)[1].Spec.NodeName
	}
	load = startLoad(t, shop)
	t.Cleanup(func() { uncordon(t, node) })
	kubectl(t, world.admin, "drain "+node+" --ignore-daemonsets --delete-emptydir-data --timeout=3m")
	load.more(t, 2*writesPerSecond)
	for _, pod := range mustReplicas(t, 3) {
		if pod.Spec.NodeName == node && pod.DeletionTimestamp == nil {
			t.Errorf("Pod %s is still on %s", pod.Name, node)
		}
	}
	settled(t)
	load.more(t, 2*writesPerSecond)
	load.unharmed(t, "node drain")
}

// The variant for an EKS cluster with a custom CNI: replicas use the network of their nodes, so one is missing
// while it is replaced, without a failed request.
func TestHostNetwork(t *testing.T) {
	const variant = "eks+eks-custom-cni"
	install(t, variant)
	helm(t, "test", release, "--namespace="+systemNamespace)
	namespace(t, shop)
	for _, pod := range mustReplicas(t, 3) {
		if pod.Status.PodIP != pod.Status.HostIP {
			t.Errorf("Pod %s has %s, and its node %s", pod.Name, pod.Status.PodIP, pod.Status.HostIP)
		}
	}
	load := startLoad(t, shop)
	install(t, variant, "podAnnotations.rolled=again")
	load.more(t, 2*writesPerSecond)
	load.unharmed(t, "rolling update with hostNetwork")
}

// A replica dies without warning. Requests fail only while the API server waits for an answer and the endpoints
// are updated; retried requests are answered; and nothing is admitted undecided.
func TestReplicaKilled(t *testing.T) {
	install(t, "eks", closedConfigMaps)
	namespace(t, shop)
	for _, test := range []struct{ name, signal string }{
		{"Pod killed hard", "KILL"},
		// It keeps its connections open, but does not answer.
		{"Pod hung", "STOP"},
	} {
		t.Run(test.name, func(t *testing.T) {
			settled(t)
			load := startLoad(t, shop)
			pod := busiest(t)
			killed := time.Now()
			signalPod(t, &pod, test.signal)
			removed := awaitEndpoint(t, &pod, false)
			var secondSignal time.Time
			if test.signal == "STOP" {
				// What the liveness probe would do a minute later.
				load.more(t, 5*writesPerSecond)
				secondSignal = time.Now()
				signalPod(t, &pod, "KILL")
			}
			awaitEndpoint(t, &pod, true)
			load.more(t, 2*writesPerSecond)
			result := load.end(t, test.name)

			now, err := world.admin.client.CoreV1().Pods(systemNamespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
			must(t, err)
			if again := restarts(now) - restarts(&pod); again < 1 || again > 1 && !failedToStart(now) {
				t.Errorf("its container was started again %d times, want once: %s", again, lastEnds(t, now))
			}
			allowed := webhookTimeouts(t) + removed.Sub(killed) + proxySync
			t.Logf("the endpoint was gone after %s, so failures may last %s", removed.Sub(killed), allowed)
			if last := result.lastFailure(secondSignal); last.outcome == failed {
				after, took := last.ended.Sub(killed), last.ended.Sub(last.began)
				t.Logf("the last came back after %s, and had taken %s: %s", after, took, last.class)
				if after > allowed {
					t.Errorf("a request failed %s after the replica did, later than %s", after, allowed)
				}
			}
			if test.signal == "STOP" && len(result.failed) == 0 {
				t.Error("nothing failed: the replica that hung was asked most, and nobody missed it")
			}
			if longest := result.longest().length(); longest > allowed {
				t.Errorf("requests failed for %s, longer than %s", longest, allowed)
			}
		})
	}
}

// webhookTimeouts returns how long a write may wait for Taffrail: for mutate.taffrail.dev, which then fails
// open, and afterward for validate.taffrail.dev.
func webhookTimeouts(t *testing.T) time.Duration {
	t.Helper()
	registration := world.admin.client.AdmissionregistrationV1()
	mutates, err := registration.MutatingWebhookConfigurations().Get(t.Context(), release, metav1.GetOptions{})
	must(t, err)
	validates, err := registration.ValidatingWebhookConfigurations().Get(t.Context(), release, metav1.GetOptions{})
	must(t, err)
	timeouts := map[string]int32{}
	for i := range mutates.Webhooks {
		timeouts[mutates.Webhooks[i].Name] = *mutates.Webhooks[i].TimeoutSeconds
	}
	for i := range validates.Webhooks {
		timeouts[validates.Webhooks[i].Name] = *validates.Webhooks[i].TimeoutSeconds
	}
	if timeouts[mutating] == 0 || timeouts[validating] == 0 {
		t.Fatalf("not both are registered: %v", timeouts)
	}
	return time.Duration(timeouts[mutating]+timeouts[validating]) * time.Second
}

func uncordon(t *testing.T, node string) {
	out, err := world.kubectl(context.Background(), world.admin, "uncordon "+node) //nolint:usetesting // the test has ended
	if err != nil || out.code != 0 {
		t.Errorf("uncordon %s: %v %s", node, err, out.text)
	}
}
