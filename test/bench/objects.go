package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// sample is an object that the benchmark sends.
type sample struct {
	Name   string
	review []byte
}

// samples returns the chapter's backend-app Deployment, and a similar Pod of 20 containers. Both are clean, as
// nearly all objects in practice are.
func samples(chapter string) ([]sample, error) {
	text, err := os.ReadFile(filepath.Join(chapter, "22_deployment_backend-app_k8s.yaml.template"))
	if err != nil {
		return nil, err
	}
	expanded := os.Expand(string(text), func(string) string { return "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com" })
	var deployment map[string]any
	if err := yaml.Unmarshal([]byte(expanded), &deployment); err != nil {
		return nil, err
	}
	stored(deployment)
	first, err := reviewOf("apps", "Deployment", "deployments", deployment)
	if err != nil {
		return nil, err
	}
	second, err := reviewOf("", "Pod", "pods", podOf(deployment, 20))
	if err != nil {
		return nil, err
	}
	return []sample{{"backend-app Deployment", first}, {"Pod of 20 containers", second}}, nil
}

// stored adds to the Deployment what the API server's defaulting and managed fields add: a webhook never sees
// the bare manifest.
func stored(deployment map[string]any) {
	metadata := deployment["metadata"].(map[string]any)
	metadata["namespace"] = "eks-work"
	metadata["uid"] = "2f0b8c1e-8f6f-4a0e-9c52-1c6f0f7d2c11"
	metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
	metadata["managedFields"] = []any{map[string]any{
		"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "apps/v1", "time": "2026-01-01T00:00:00Z",
		"fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:metadata": map[string]any{"f:labels": map[string]any{".": map[string]any{}, "f:app": map[string]any{}}},
			"f:spec": map[string]any{"f:replicas": map[string]any{}, "f:selector": map[string]any{}, "f:template": map[string]any{"f:spec": map[string]any{"f:containers": map[string]any{}}}}},
	}}
	spec := deployment["spec"].(map[string]any)
	spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"] = 600, 10
	spec["strategy"] = map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxSurge": "25%", "maxUnavailable": "25%"}}
	pod := spec["template"].(map[string]any)["spec"].(map[string]any)
	pod["restartPolicy"], pod["terminationGracePeriodSeconds"], pod["dnsPolicy"], pod["schedulerName"] = "Always", 30, "ClusterFirst", "default-scheduler"
	pod["securityContext"] = map[string]any{}
	container := pod["containers"].([]any)[0].(map[string]any)
	container["terminationMessagePath"], container["terminationMessagePolicy"] = "/dev/termination-log", "File"
	for _, name := range []string{"readinessProbe", "livenessProbe"} {
		probe := container[name].(map[string]any)
		probe["timeoutSeconds"], probe["successThreshold"], probe["failureThreshold"] = 1, 1, 3
		probe["httpGet"].(map[string]any)["scheme"] = "HTTP"
	}
}

func podOf(deployment map[string]any, containers int) map[string]any {
	template := deployment["spec"].(map[string]any)["template"].(map[string]any)
	spec := map[string]any{}
	maps.Copy(spec, template["spec"].(map[string]any))
	first := spec["containers"].([]any)[0].(map[string]any)
	all := make([]any, containers)
	for i := range all {
		own := maps.Clone(first)
		own["name"] = fmt.Sprintf("app-%d", i)
		all[i] = own
	}
	spec["containers"] = all
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod", "spec": spec,
		"metadata": map[string]any{
			"name": "backend-app", "namespace": "eks-work", "labels": map[string]any{"app": "backend-app"},
			"ownerReferences": []any{map[string]any{
				"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "backend-app-5d8f", "uid": "0c6d", "controller": true,
			}},
		},
	}
}

func reviewOf(group, kind, resource string, object map[string]any) ([]byte, error) {
	gvk := map[string]any{"group": group, "version": "v1", "kind": kind}
	gvr := map[string]any{"group": group, "version": "v1", "resource": resource}
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	// The API server's own order of fields: those that identify the object come before it.
	return json.Marshal(struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
		Request    any    `json:"request"`
	}{"AdmissionReview", "admission.k8s.io/v1", struct {
		UID             string          `json:"uid"`
		Kind            any             `json:"kind"`
		Resource        any             `json:"resource"`
		RequestKind     any             `json:"requestKind"`
		RequestResource any             `json:"requestResource"`
		Name            string          `json:"name"`
		Namespace       string          `json:"namespace"`
		Operation       string          `json:"operation"`
		UserInfo        any             `json:"userInfo"`
		Object          json.RawMessage `json:"object"`
		OldObject       any             `json:"oldObject"`
		DryRun          bool            `json:"dryRun"`
		Options         any             `json:"options"`
	}{
		UID: "705ab4f5-6393-11e8-b7cc-42010a800002", Kind: gvk, Resource: gvr, RequestKind: gvk, RequestResource: gvr,
		Name: "backend-app", Namespace: "eks-work", Operation: "CREATE",
		UserInfo: map[string]any{"username": "alice", "groups": []string{"developers", "system:authenticated"}},
		Object:   raw,
		Options:  map[string]any{"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl"},
	}})
}
