package rego

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

func quantities(text string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for pair := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(pair, "=")
		list[corev1.ResourceName(name)] = resource.MustParse(value)
	}
	return list
}

// Everything known about a request is part of the input, under the names in AUTHORING.md.
func TestTheInputIsWhatIsKnown(t *testing.T) {
	fast := "fast"
	r := &decision.Request{
		Origin: decision.OriginManifest, Operation: decision.Update, Subresource: "scale", Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		Name: "web", Namespace: decision.Namespace{Name: "shop", Labels: map[string]string{"a": "b"}, Known: true}, User: decision.User{Name: "alice", Groups: []string{"dev"}},
		Object: map[string]any{"new": true}, OldObject: map[string]any{"old": true}, HelmRelease: true,
		LastApplied:    &decision.LastApplied{Readable: true, Data: map[string]string{"a": "b"}, StringData: map[string]string{"c": "d"}},
		OldLastApplied: &decision.LastApplied{Data: map[string]string{"e": "f"}},
		Facts:          decision.Facts{LimitRanges: []*corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Name: "limits"}}}, ResourceQuotas: []*corev1.ResourceQuota{{ObjectMeta: metav1.ObjectMeta{Name: "quota"}}}},
		Claims: []decision.Claim{
			{Source: decision.ClaimVolume, Path: "spec.volumes[0]", Name: "data", Known: true, AccessModes: []string{"ReadWriteOnce"}, VolumeMode: "Block", StorageClass: &fast, Provisioner: "fast.example.com"},
			{Source: decision.ClaimTemplate, Path: "spec.volumeClaimTemplates[0]", Name: "log"},
		},
		Schedule: &decision.Schedule{
			Text: "* * * *", Zone: "Asia/Seoul", Zones: []string{"Asia/Seoul"}, Valid: true, Fields: 4, Daily: true, Interval: 60,
			Faults: []decision.ScheduleFault{{Field: "hour", Text: "25", Range: "0-23"}},
		},
		Workload: &decision.Workload{
			LongRunning: true, Template: true, Replicas: 3, PodPath: "spec.template", Pod: map[string]any{"pod": true},
			PodResources: &corev1.ResourceRequirements{Limits: quantities("memory=1Gi")}, Autoscaler: &decision.Autoscaler{Name: "web", MinReplicas: 2, MaxReplicas: 9},
			Count: decision.PodCount{Steady: 1, Max: 2, Surge: 3, Unavailable: 4},
			Refusals: []decision.Refusal{
				{By: "LimitRange/l", Container: "a", Claim: "spec.x", Resource: "cpu", Bound: "max", Message: "m", Excess: "1.5", Certain: true}, {By: "LimitRange/k"},
			},
			Shortages: []decision.Shortage{{
				By: "ResourceQuota/q", Resource: "requests.cpu", When: decision.ShortAlways, Pods: 5, Needed: "6", Left: "7", Hard: "8", Excess: "9", Certain: true, Container: "a", Field: "resources.requests.cpu",
			}},
			Containers: []decision.Container{{
				Name: "a", Type: decision.ContainerApp, Path: "spec.template.spec.containers[0]", Spec: map[string]any{"args": []any{"$(A)"}, "env": []any{map[string]any{"name": "A", "value": "x"}}},
				Image:     decision.Image{Reference: "r/n:t@d", Valid: true, Registry: "r", Repository: "n", Tag: "t", Digest: "d"},
				Effective: corev1.ResourceRequirements{Requests: quantities("cpu=100m"), Limits: quantities("memory=1Mi")},
			}},
		},
	}
	const want = `{
  "claims": {
    "spec.volumeClaimTemplates[0]": {"accessModes": null, "known": false, "name": "log", "path": "spec.volumeClaimTemplates[0]", "provisioner": "", "source": "template", "storageClass": null, "volumeMode": ""},
    "spec.volumes[0]": {"accessModes": ["ReadWriteOnce"], "known": true, "name": "data", "path": "spec.volumes[0]", "provisioner": "fast.example.com", "source": "volume", "storageClass": "fast", "volumeMode": "Block"}},
  "containers": {"spec.template.spec.containers[0]": {
    "expanded": {"args": {"0": "x"}}, "image": {"digest": "d", "reference": "r/n:t@d", "registry": "r", "repository": "n", "tag": "t", "valid": true},
    "name": "a", "path": "spec.template.spec.containers[0]", "pointer": "/spec/template/spec/containers/0", "resources": {"limits": {"memory": 1048576}, "requests": {"cpu": 100}},
    "spec": {"args": ["$(A)"], "env": [{"name": "A", "value": "x"}]}, "type": "app"}},
  "gaps": {"limits.cpu": {"spec.template.spec.containers[0]": true}},
  "group": "apps", "helmRelease": true, "kind": "Deployment",
  "lastApplied": {"data": {"a": "b"}, "readable": true, "stringData": {"c": "d"}}, "name": "web",
  "namespace": {"labels": {"a": "b"}, "limitRanges": ["limits"], "name": "shop", "resourceQuotas": ["quota"]},
  "object": {"new": true}, "oldLastApplied": {"data": {"e": "f"}, "readable": false, "stringData": null}, "oldObject": {"old": true},
  "operation": "UPDATE", "origin": "manifest",
  "schedule": {"daily": true, "faults": [{"field": "hour", "range": "0-23", "text": "25"}], "fields": 4, "interval": 60, "text": "* * * *", "valid": true, "zone": "Asia/Seoul", "zones": ["Asia/Seoul"]},
  "subresource": "scale", "user": {"groups": ["dev"], "name": "alice"}, "version": "v1",
  "workload": {
    "autoscaler": {"maxReplicas": 9, "minReplicas": 2, "name": "web"}, "longRunning": true, "path": "spec.template", "pod": {"pod": true},
    "pods": {"most": 2, "steady": 1, "surge": 3, "unavailable": 4},
    "refusals": [{"bound": "max", "by": "LimitRange/l", "certain": true, "claim": "spec.x", "container": "a", "excess": 1.5, "message": "m", "resource": "cpu"},
      {"bound": "", "by": "LimitRange/k", "certain": false, "claim": "", "container": "", "message": "", "resource": ""}],
    "replicas": 3, "resources": {"limits": {"memory": 1073741824}, "requests": {}},
    "shortages": [{"by": "ResourceQuota/q", "certain": true, "container": "a", "excess": 9, "field": "resources.requests.cpu", "hard": "8", "left": "7", "needed": "6", "pods": 5, "resource": "requests.cpu", "when": "always"}],
    "specPath": "spec.template.spec", "template": true}}`
	compare := func(what string, r *decision.Request, want string) {
		t.Helper()
		text, err := json.Marshal(newInput(r))
		if err != nil {
			t.Fatal(err)
		}
		var got, wanted any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	compare("all", r, want)
	compare("nothing", &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Schedule: &decision.Schedule{}}, `{
  "claims": {}, "containers": {}, "gaps": {}, "group": "", "kind": "Secret", "name": "", "namespace": {"labels": null, "limitRanges": [], "name": "", "resourceQuotas": []},
  "object": null, "operation": "", "origin": "", "schedule": {"daily": false, "faults": [], "fields": 0, "text": "", "valid": false, "zone": "", "zones": []},
  "subresource": "", "user": {"groups": null, "name": ""}, "version": "v1"}`)
	manifest := &decision.Request{
		Origin: decision.OriginManifest, Kind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Original: map[string]any{"stringData": map[string]any{"password": "hunter2", "user": "x"}},
	}
	if got := newInput(manifest)["stringData"]; fmt.Sprint(got) != "map[password:true user:true]" {
		t.Errorf("got %v", got)
	}
	for _, change := range []func(*decision.Request){
		func(r *decision.Request) { r.Origin = decision.OriginValidating }, func(r *decision.Request) { r.Kind.Kind = "ConfigMap" }, func(r *decision.Request) { r.Kind.Group = "example.com" },
	} {
		other := *manifest
		change(&other)
		if got, there := newInput(&other)["stringData"]; there {
			t.Errorf("of %s %s: got %v", other.Origin, other.Kind, got)
		}
	}
}

// A container lacks a value unless it or its Pod sets it to more than zero.
func TestWhatContainersLack(t *testing.T) {
	for name, c := range map[string]struct {
		pod, container string // as requests|limits
		kind           decision.ContainerType
		want           string
	}{
		"nothing":         {"", "cpu=1 memory=1|cpu=1 memory=1", decision.ContainerApp, ""},
		"all":             {"", "|", decision.ContainerApp, "limits.cpu limits.memory requests.cpu requests.memory"},
		"zeros":           {"", "cpu=0 memory=0|cpu=0 memory=0", decision.ContainerApp, "limits.cpu limits.memory requests.cpu requests.memory"},
		"a limit":         {"", "cpu=1 memory=1|cpu=1", decision.ContainerInit, "limits.memory"},
		"a request":       {"", "memory=1|cpu=1 memory=1", decision.ContainerSidecar, "requests.cpu"},
		"ephemeral":       {"", "|", decision.ContainerEphemeral, ""},
		"the Pod's limit": {"|cpu=1", "|", decision.ContainerApp, "limits.memory requests.memory"},
		"its request":     {"memory=1|", "|", decision.ContainerApp, "limits.cpu limits.memory requests.cpu"},
		"its zeros":       {"cpu=0|cpu=0", "|", decision.ContainerApp, "limits.cpu limits.memory requests.cpu requests.memory"},
	} {
		needs := func(text string) corev1.ResourceRequirements {
			requests, limits, _ := strings.Cut(text, "|")
			return corev1.ResourceRequirements{Requests: quantities(requests), Limits: quantities(limits)}
		}
		w := &decision.Workload{Containers: []decision.Container{{Path: "a", Type: c.kind, Effective: needs(c.container)}}}
		if c.pod != "" {
			ofPod := needs(c.pod)
			w.PodResources = &ofPod
		}
		if got := strings.Join(slices.Sorted(maps.Keys(gapsInput(w))), " "); got != c.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// Every part of an object that may hold a credential is scanned, and reported under the name that people use
// for it.
func TestPlacesOfCredentials(t *testing.T) {
	key := "AKIA" + "IOSFODNN7ZZZZZZZ"
	text := func(value string) string { return strings.ReplaceAll(value, "KEY", key) }
	handler := func() map[string]any {
		return map[string]any{
			"exec":    map[string]any{"command": []any{"run", "--password", "hunter2hunter"}},
			"httpGet": map[string]any{"path": text("/KEY"), "host": text("KEY"), "httpHeaders": []any{map[string]any{"name": "X-Token", "value": text("KEY")}}},
		}
	}
	spec := map[string]any{
		"env": []any{
			map[string]any{"name": "A", "value": text("KEY")}, map[string]any{"name": "B"},
			map[string]any{"name": "C", "valueFrom": map[string]any{"configMapKeyRef": map[string]any{"name": "m", "key": "password"}}}, map[string]any{"value": text("KEY")},
			map[string]any{"name": "DB_PASSWORD", "value": "hunter2hunter"}, map[string]any{"name": "E", "value": "$(A)"},
		},
		"command": []any{"run", "--token", "hunter2hunter"}, "args": []any{text("KEY")},
		"startupProbe": handler(), "readinessProbe": handler(), "livenessProbe": handler(), "lifecycle": map[string]any{"postStart": handler(), "preStop": handler()},
	}
	pod := map[string]any{"metadata": map[string]any{"annotations": map[string]any{"x": text("KEY")}}, "spec": map[string]any{"volumes": []any{
		map[string]any{"csi": map[string]any{"volumeAttributes": map[string]any{"y": text("KEY")}}}, map[string]any{"flexVolume": map[string]any{"options": map[string]any{"z": text("KEY")}}},
	}}}
	r := &decision.Request{
		Object:   map[string]any{"metadata": map[string]any{"annotations": map[string]any{"w": text("KEY"), "kubectl.kubernetes.io/last-applied-configuration": text("KEY")}}},
		Workload: &decision.Workload{PodPath: "spec.template", Pod: pod, Containers: []decision.Container{{Name: "c", Path: "spec.template.spec.containers[0]", Spec: spec}}},
	}
	describe := func(found any) string {
		var all []string
		for path, at := range found.(map[string]any) {
			place := at.(map[string]any)
			all = append(all, fmt.Sprintf("%s %s %s %q %s", strings.ReplaceAll(path, "spec.template.spec.containers[0].", ""), place["container"], place["sort"], place["name"], place["field"]))
		}
		slices.Sort(all)
		return strings.Join(all, "\n")
	}
	var found, plain []string
	for _, field := range []string{"lifecycle.postStart", "lifecycle.preStop", "livenessProbe", "readinessProbe", "startupProbe"} {
		found = append(found, field+`.exec.command[2] c word "" `+field, field+`.httpGet.host c text "" `+field, field+`.httpGet.httpHeaders[0].value c header "X-Token" `+field, field+`.httpGet.path c text "" `+field)
		plain = append(plain, field+`.exec.command[2] c word "password" `+field, field+`.httpGet.httpHeaders[0].value c header "X-Token" `+field)
	}
	found = append(found, `args[0] c word "" args`, `command[2] c word "" command`, `env[0].value c env "A" "A"`, `env[3].value c env "" ""`, `env[4].value c env "DB_PASSWORD" "DB_PASSWORD"`, `env[5].value c env "E" "E"`,
		`metadata.annotations[w]  text "w" "w"`, `spec.template.metadata.annotations[x]  text "x" "x"`,
		`spec.template.spec.volumes[0].csi.volumeAttributes[y]  text "y" "y"`, `spec.template.spec.volumes[1].flexVolume.options[z]  text "z" "z"`)
	plain = append(plain, `command[2] c word "token" command`, `env[0].value c env "A" "A"`, `env[3].value c env "" ""`, `env[4].value c env "DB_PASSWORD" "DB_PASSWORD"`, `env[5].value c env "E" "E"`,
		`spec.template.spec.volumes[0].csi.volumeAttributes[y]  text "y" "y"`, `spec.template.spec.volumes[1].flexVolume.options[z]  text "z" "z"`)
	slices.Sort(found)
	slices.Sort(plain)
	input := credentialsInput(t.Context(), r)
	if diff := cmp.Diff(strings.Join(found, "\n"), describe(input["found"])); diff != "" {
		t.Errorf("found: %s", diff)
	}
	if diff := cmp.Diff(strings.Join(plain, "\n"), describe(input["plain"])); diff != "" {
		t.Errorf("plain: %s", diff)
	}
	want := map[string]any{"spec.template.spec.containers[0].env[2].valueFrom.configMapKeyRef": map[string]any{"container": "c", "name": "C", "key": "password", "nameIsCredential": false, "keyIsCredential": true}}
	if diff := cmp.Diff(want, input["fromConfigMap"]); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(fmt.Sprint(input), key) || strings.Contains(fmt.Sprint(input), "hunter2") {
		t.Error("the input contains a value")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if input := credentialsInput(ended, r); len(input["found"].(map[string]any))+len(input["plain"].(map[string]any)) > 0 {
		t.Errorf("found where nobody waits any longer: %v", input)
	}
}

// The texts of a ConfigMap are scanned decoded, and texts of several lines are scanned as files. Of a Secret,
// only public values are reported.
func TestPlacesOfConfigMapsAndSecrets(t *testing.T) {
	key := "AKIA" + "IOSFODNN7ZZZZZZZ"
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	r := &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Object: map[string]any{
		"data":       map[string]any{"a": key, "app.properties": "x=1\nkey=" + key + "\n", "b": "no secret", "n": nil, "o": 7},
		"binaryData": map[string]any{"c": encoded(key), "d": "not base64!"},
		"metadata":   map[string]any{"annotations": map[string]any{"kubectl.kubernetes.io/last-applied-configuration": key}},
	}}
	input := credentialsInput(t.Context(), r)
	if got := fmt.Sprint(slices.Sorted(maps.Keys(input["found"].(map[string]any)))); got != "[binaryData[c] data[a] data[app.properties]]" {
		t.Errorf("found %s", got)
	}
	r.Object = map[string]any{"metadata": r.Object["metadata"]}
	if got := fmt.Sprint(slices.Sorted(maps.Keys(credentialsInput(t.Context(), r)["found"].(map[string]any)))); got != "[metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]]" {
		t.Errorf("found %s", got)
	}
	r.Kind.Group = "example.com"
	if got := credentialsInput(t.Context(), r); got != nil {
		t.Errorf("of another group: got %v", got)
	}
	const reference = "vault:secret/data/db#password"
	secret := &decision.Request{
		Kind:        schema.GroupVersionKind{Version: "v1", Kind: "Secret"},
		Object:      map[string]any{"data": map[string]any{"a": encoded(reference), "b": encoded("hunter2hunter"), "c": reference, "d": 7}},
		LastApplied: &decision.LastApplied{Data: map[string]string{"a": encoded(reference), "b": encoded("hunter2hunter")}, StringData: map[string]string{"e": reference, "f": encoded(reference)}},
	}
	want := map[string]any{"public": map[string]any{
		"data": map[string]any{"a": true, "c": true}, "lastAppliedData": map[string]any{"a": true}, "lastAppliedStringData": map[string]any{"e": true},
	}}
	if diff := cmp.Diff(want, credentialsInput(t.Context(), secret)); diff != "" {
		t.Error(diff)
	}
	secret.LastApplied = nil
	if got := credentialsInput(t.Context(), secret)["public"].(map[string]any); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
