package pipeline_test

import (
	"maps"
	"testing"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// Unbound distinguishes objects that no policy covers from objects without findings.
func TestUnbound(t *testing.T) {
	imageTag := guardrail("all", v1alpha1.ModeEnforce, binding("image-tag", ""))
	object := func(apiVersion, kind string, fields map[string]any) map[string]any {
		all := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": "web"}}
		maps.Copy(all, fields)
		return all
	}
	good := container(map[string]any{"image": "nginx:1.27.3"})
	revision := func(pods map[string]any) map[string]any {
		data := map[string]any{"spec": map[string]any{"template": pods}}
		r := object("apps/v1", "ControllerRevision", map[string]any{"data": data, "revision": int64(1)})
		r["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web", "uid": "1", "controller": true}}
		return r
	}
	template := map[string]any{"$patch": "replace", "spec": map[string]any{"containers": []any{good}}}
	for _, test := range []struct {
		name     string
		snapshot *config.Snapshot
		object   map[string]any
		want     bool
	}{
		{"a clean Deployment", build(t, imageTag), deployment(good), false},
		{"a Deployment that is refused", build(t, imageTag), deployment(container(map[string]any{"image": "nginx"})), false},
		{"a revision of a DaemonSet", build(t, imageTag), revision(template), false},
		{"a kind that no bound policy is about", build(t, imageTag), object("v1", "Service", map[string]any{"spec": map[string]any{"type": "LoadBalancer"}}), true},
		{"a kind that a policy is about", build(t), object("v1", "Service", map[string]any{"spec": map[string]any{"type": "ClusterIP"}}), false},
		{"a custom resource", build(t), object("argoproj.io/v1alpha1", "Rollout", nil), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := decide(t, test.snapshot, manifest(t, test.object), known(nil))
			if d.Unbound != test.want {
				t.Errorf("got %t, want %t", d.Unbound, test.want)
			}
			if d.Unbound && (d.Verdict != decision.VerdictAllow || len(d.Findings) > 0) {
				t.Errorf("got %+v", d)
			}
		})
	}
}
