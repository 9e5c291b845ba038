package rego

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
)

// documentRequests have every part of the input, and none.
func documentRequests() map[string]*decision.Request {
	class := "gp3"
	quantities := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("1Gi"), "example.com/gpu": resource.MustParse("2"),
		"huge": resource.MustParse("1e30"), "tiny": resource.MustParse("-1e30"),
	}
	container := func(path string, kind decision.ContainerType) decision.Container {
		return decision.Container{
			Name: "c", Type: kind, Path: path, Image: decision.Image{Reference: "r", Valid: true, Registry: "a", Repository: "b", Tag: "t", Digest: "d"},
			Spec: map[string]any{
				"name": "c", "env": []any{map[string]any{"name": "PASSWORD", "value": "hunter2"}, map[string]any{"name": "URL", "value": "$(PASSWORD)"}},
				"command": []any{"sh", "-c", "run --token abcdef123456"}, "lifecycle": map[string]any{"preStop": map[string]any{"exec": map[string]any{"command": []any{"mysql", "-phunter2"}}}},
			},
			Effective: corev1.ResourceRequirements{Requests: quantities},
		}
	}
	full := &decision.Request{
		Origin: decision.OriginManifest, Operation: decision.Update, Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		Subresource: "status", Name: "n", HelmRelease: true,
		Namespace: decision.Namespace{Name: "ns", Labels: map[string]string{"a": "b"}}, User: decision.User{Name: "u", Groups: []string{"g", "h"}},
		Object: map[string]any{"a": []any{nil, 1.5, int64(3), map[string]any{"b": nil}}}, OldObject: map[string]any{"c": true},
		LastApplied: &decision.LastApplied{Readable: true, Data: map[string]string{"k": "v"}}, OldLastApplied: &decision.LastApplied{StringData: map[string]string{"k": "v"}},
		Workload: &decision.Workload{
			LongRunning: true, Template: true, Replicas: 3, PodPath: "spec.template", Pod: map[string]any{"spec": map[string]any{}},
			PodResources: &corev1.ResourceRequirements{Limits: quantities}, Autoscaler: &decision.Autoscaler{Name: "h", MinReplicas: 1, MaxReplicas: 5},
			Refusals:  []decision.Refusal{{By: "LimitRange/l", Excess: "1.50", Certain: true}, {By: "x"}},
			Shortages: []decision.Shortage{{By: "ResourceQuota/q", When: decision.ShortAlways, Excess: "2"}, {Container: "c"}}, Count: decision.PodCount{Steady: 1, Max: 2, Surge: 3, Unavailable: 4},
		},
		Claims:   []decision.Claim{{Path: "p", Name: "c", Known: true, StorageClass: &class}, {Path: "q"}},
		Schedule: &decision.Schedule{Text: "* * * * *", Zone: "UTC", Zones: []string{"UTC"}, Valid: true, Fields: 5, Daily: true, Interval: 60, Faults: []decision.ScheduleFault{{Field: "f", Text: "t", Range: "r"}}},
		Facts: decision.Facts{
			LimitRanges:    []*corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Name: "l"}}},
			ResourceQuotas: []*corev1.ResourceQuota{{ObjectMeta: metav1.ObjectMeta{Name: "q"}}},
		},
	}
	for i, kind := range []decision.ContainerType{decision.ContainerSidecar, decision.ContainerApp, decision.ContainerInit, decision.ContainerEphemeral} {
		for j := range 3 {
			full.Workload.Containers = append(full.Workload.Containers, container(string(rune('z'-i))+"["+string(rune('0'+j))+"]", kind))
		}
	}
	secret := &decision.Request{
		Origin: decision.OriginManifest, Kind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Object: map[string]any{"data": map[string]any{"a": "Y2hhbmdlbWU="}},
		Original: map[string]any{"stringData": map[string]any{"b": "c"}},
	}
	configMap := &decision.Request{
		Kind:   schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"},
		Object: map[string]any{"data": map[string]any{"password": "hunter2", "file": "a: b\npassword: hunter2\n"}},
	}
	return map[string]*decision.Request{"full": full, "secret": secret, "config map": configMap, "empty": {}}
}

// What compiled policies see as input is what topdown sees, member by member and as a whole.
func TestTheDocumentIsTheInput(t *testing.T) {
	for name, r := range documentRequests() {
		input := newInput(r)
		if found := credentialsInput(t.Context(), r); found != nil {
			input["credentials"] = found
		}
		want, err := ast.InterfaceToValue(input)
		if err != nil {
			t.Fatal(err)
		}
		document := newRequestDocument(t.Context(), r)
		if got := compile.ToAST(document); got.Compare(want) != 0 {
			t.Errorf("%s:\ngot  %v\nwant %v", name, got, want)
		}
		for _, member := range requestMembers {
			got, want := newRequestDocument(t.Context(), r).Get(member), want.(ast.Object).Get(ast.StringTerm(member))
			if (got == nil) != (want == nil) || got != nil && compile.ToAST(compile.FromAST(compile.ToAST(got))).Compare(want.Value) != 0 {
				t.Errorf("%s: %s: got %v, want %v", name, member, got, want)
			}
		}
		if document.Get("nothing") != nil {
			t.Errorf("%s: there is an unknown member", name)
		}
	}
}
