package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/admission"
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

// The number of listed workloads is limited between writes and in the status, but every Pod is counted.
func TestCountsOfPodsAreBounded(t *testing.T) {
	c := &count{version: config.Version{Generation: 1}}
	for i := range 2 * maxCounted {
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
	if len(found.Workloads) != maxListed || found.Pods != 4*maxCounted || found.Left != 4 || listed+found.OtherPods != found.Pods+found.Left ||
		found.Workloads[0].Workload != "Pod 1" {
		t.Errorf("%d listed, %d and %d Pods, of them %d and %d", len(found.Workloads), found.Pods, found.Left, listed, found.OtherPods)
	}
	if addFills(&status, &count{version: c.version}) {
		t.Error("nothing was added again")
	}
}

// observed returns an admitted Pod of a ReplicaSet that lacks what g would set.
func observed(by *config.Snapshot, left string) *admission.Observation {
	return &admission.Observation{
		Path: admission.MutatePath, Snapshot: by, Verdict: decision.VerdictAllow,
		Request: &decision.Request{
			Origin: decision.OriginMutating, Namespace: decision.Namespace{Name: "shop"}, Workload: &decision.Workload{},
			Object: map[string]any{"metadata": owned("ReplicaSet", "web-5d4f", map[string]any{"pod-template-hash": "5d4f"})},
		},
		Decision: &decision.Decision{Fills: []decision.Fill{
			{Policy: "p", Mode: decision.ModeAudit, Guardrails: []string{"g"}, Container: "app", Field: "resources.limits.memory", Value: "1Gi", SkipReason: left},
			{Policy: "p", Mode: decision.ModeAudit, Guardrails: []string{"g"}, Container: "app", Field: "resources.requests.cpu", Value: "1", SkipReason: left},
		}},
	}
}

func TestPodsAreCountedByWorkload(t *testing.T) {
	now, advance := clockAt(midnight)
	c, by := newTestCounter(now), snapshotAt(t, config.Version{Generation: 1})
	c.Observe(observed(by, ""))
	c.Observe(observed(by, "the Pod is older"))
	taken := c.take("g")
	advance(time.Minute)
	c.Observe(observed(by, ""))
	c.restore("g", taken)
	got := c.take("g")
	if got.fills.pods != 2 || got.fills.left != 1 || got.fills.other != 0 || got.requests != 0 {
		t.Errorf("got %+v", got)
	}
	want := &v1alpha1.WouldFillWorkload{
		Namespace: "shop", Workload: "Deployment web", Pods: 2, Left: 1,
		Last: "app: limits.memory=1Gi, app: requests.cpu=1", LastTime: metav1.NewTime(midnight.Add(time.Minute)),
	}
	if diff := cmp.Diff(want, got.fills.workloads[workload{"shop", "Deployment web"}]); diff != "" {
		t.Error(diff)
	}
	for name, change := range map[string]func(*admission.Observation){
		"filled":        func(o *admission.Observation) { o.Decision.Fills = nil },
		"a template":    func(o *admission.Observation) { o.Request.Workload.Template = true },
		"a subresource": func(o *admission.Observation) { o.Request.Subresource = "resize" },
		"no workload":   func(o *admission.Observation) { o.Request.Workload = nil },
		"enforced": func(o *admission.Observation) {
			o.Decision.Fills = []decision.Fill{{Mode: decision.ModeEnforce, Guardrails: []string{"g"}}}
		},
		"a dry run": func(o *admission.Observation) { o.Request.DryRun = true },
		"another's fill": func(o *admission.Observation) {
			o.Decision.Fills = []decision.Fill{{Mode: decision.ModeAudit, Guardrails: []string{"gone"}}}
		},
	} {
		o := observed(by, "")
		change(o)
		c.Observe(o)
		if got := c.take("g"); got != nil {
			t.Errorf("%s: counted %+v", name, got)
		}
	}
}

func TestStoredPodsBelongToTheLatestVersion(t *testing.T) {
	pods := func(generation int64) *count {
		c := &count{version: config.Version{Generation: generation}}
		c.fills.add(v1alpha1.WouldFillWorkload{Namespace: "a", Workload: "Pod b", Pods: 1})
		return c
	}
	var status v1alpha1.GuardrailStatus
	for _, step := range []struct {
		counted  *count
		added    bool
		pods, of int64
	}{{pods(1), true, 1, 1}, {pods(1), true, 2, 1}, {pods(2), true, 1, 2}, {pods(1), false, 1, 2}} {
		if added := addFills(&status, step.counted); added != step.added || status.WouldFill.Pods != step.pods || status.WouldFill.Generation != step.of {
			t.Errorf("added: %v, stored %+v", added, status.WouldFill)
		}
	}
}
