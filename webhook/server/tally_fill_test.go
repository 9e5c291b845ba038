package server

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

func TestWorkloadOfAPod(t *testing.T) {
	for want, metadata := range map[string]map[string]any{
		"Pod bare":       {"name": "bare"},
		"Deployment web": owned("ReplicaSet", "web-5d4f", map[string]any{"pod-template-hash": "5d4f"}),
		"ReplicaSet web": owned("ReplicaSet", "web", map[string]any{"pod-template-hash": "5d4f"}),
		"CronJob run":    owned("Job", "run-29876543", nil),
		"Job run-1":      owned("Job", "run-1", nil),
		"Database db":    owned("Database", "db", nil),
	} {
		if got := workloadOf(&decision.Request{Name: "bare", Object: map[string]any{"metadata": metadata}}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func owned(kind, name string, labels map[string]any) map[string]any {
	owner := map[string]any{"apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": true}
	return map[string]any{"ownerReferences": []any{owner}, "labels": labels}
}

// What is told apart is bounded between writes and in the status; no Pod is lost for it.
func TestCountsOfPodsAreBounded(t *testing.T) {
	c := &count{version: config.Version{Generation: 1}}
	for i := range 2 * mostTallied {
		c.fills.add(v1alpha1.WouldFillWorkload{Namespace: "a", Workload: fmt.Sprint("Pod ", i), Pods: 1, LastTime: metav1.Now()})
	}
	later := &count{version: c.version}
	later.fills.add(v1alpha1.WouldFillWorkload{Namespace: "a", Workload: "Pod 1", Left: 2})
	later.fills.merge(&c.fills)
	var status v1alpha1.GuardrailStatus
	for range 2 {
		if !addFills(&status, later) {
			t.Fatal("nothing was added")
		}
	}
	found := status.WouldFill
	listed := int64(0)
	for _, w := range found.Workloads {
		listed += w.Pods + w.Left
	}
	if len(found.Workloads) != mostListed || found.Pods != 4*mostTallied || found.Left != 4 || listed+found.OtherPods != found.Pods+found.Left ||
		found.Workloads[0].Workload != "Pod 1" {
		t.Errorf("%d listed, %d and %d Pods, of them %d and %d", len(found.Workloads), found.Pods, found.Left, listed, found.OtherPods)
	}
	if addFills(&status, &count{version: c.version}) {
		t.Error("nothing was added again")
	}
}
