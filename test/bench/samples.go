package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// sample is an object that is sent.
type sample struct {
	Name   string
	review []byte
	// mutate is true for what is sent to /mutate.
	mutate bool
	// faulty is true if policies have findings about the object.
	faulty bool
}

// large is the size from which on fewer requests are sent.
const large = 256 << 10

// requests is how many of a sample are sent in a round in which an ordinary one is sent n times.
func (s *sample) requests(n int) int {
	if len(s.review) >= large {
		return max(1, n/25)
	}
	return n
}

// samples are objects without findings, as nearly all requests have them, a few with findings, and
// Pods at /mutate.
func samples(o options) ([]sample, error) {
	deployment, err := chapterObject(o.chapter, "22_deployment_backend-app_k8s.yaml.template")
	if err != nil {
		return nil, err
	}
	stored(deployment)
	service, err := chapterObject(o.chapter, "23_service_backend-app_k8s.yaml")
	if err != nil {
		return nil, err
	}
	service["spec"].(map[string]any)["type"] = "ClusterIP"
	cronJob, err := chapterObject(o.chapter, "43_cronjob_k8s.yaml.template")
	if err != nil {
		return nil, err
	}
	batch(cronJob)
	pod := podOf(deployment, 20)
	all := []struct {
		name, group, resource string
		object                map[string]any
		mutate, faulty        bool
	}{
		{name: "Deployment", group: "apps", resource: "deployments", object: deployment},
		{name: "Pod of 20 containers", resource: "pods", object: pod},
		{name: "Service", resource: "services", object: service},
		{name: "Secret of 1 MiB", resource: "secrets", object: secret()},
		{name: "ConfigMap of 1 MiB", resource: "configmaps", object: configMap()},
		{name: "CronJob", group: "batch", resource: "cronjobs", object: cronJob},
		{name: "Deployment with findings", group: "apps", resource: "deployments", object: spoiled(deployment), faulty: true},
		{name: "Pod of 20 containers with findings", resource: "pods", object: podOf(spoiled(deployment), 20), faulty: true},
		{name: "Pod at /mutate", resource: "pods", object: podOf(deployment, 1), mutate: true},
		{name: "Pod without resources at /mutate", resource: "pods", object: withoutResources(podOf(deployment, 1)), mutate: true},
	}
	var chosen []sample
	for _, one := range all {
		if !strings.Contains(strings.ToLower(one.name), strings.ToLower(o.samples)) {
			continue
		}
		review, err := reviewOf(one.group, one.object["kind"].(string), one.resource, one.object)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, sample{Name: one.name, review: review, mutate: one.mutate, faulty: one.faulty})
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no object's name has %q", o.samples)
	}
	return chosen, nil
}

func chapterObject(folder, file string) (map[string]any, error) {
	text, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		return nil, err
	}
	expanded := os.Expand(string(text), func(string) string { return "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com" })
	var object map[string]any
	return object, yaml.Unmarshal([]byte(expanded), &object)
}

// stored gives the Deployment what the API server's defaulting and managed fields add:
// a webhook never sees the bare manifest.
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

// batch makes a clean CronJob of the chapter's.
func batch(cronJob map[string]any) {
	spec := cronJob["spec"].(map[string]any)
	spec["concurrencyPolicy"], spec["startingDeadlineSeconds"], spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"] = "Forbid", 100, 3, 1
	spec["suspend"], spec["timeZone"], spec["schedule"] = false, "Asia/Seoul", "7 3 * * *"
	job := spec["jobTemplate"].(map[string]any)["spec"].(map[string]any)
	job["backoffLimit"], job["activeDeadlineSeconds"], job["ttlSecondsAfterFinished"] = 3, 600, 3600
	template := job["template"].(map[string]any)
	template["metadata"] = map[string]any{"labels": map[string]any{"app": "batch-app"}}
	container := template["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	amounts := map[string]any{"cpu": "100m", "memory": "256Mi"}
	container["resources"] = map[string]any{"requests": amounts, "limits": amounts}
	// That an account's keys are in the environment is what a policy is about.
	env := container["env"].([]any)
	container["env"] = env[:3]
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

// spoiled is a copy of a Deployment whose container has no probes, an image without a version, and a
// password among its variables.
func spoiled(deployment map[string]any) map[string]any {
	var object map[string]any
	text, _ := json.Marshal(deployment)
	_ = json.Unmarshal(text, &object)
	container := object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	delete(container, "readinessProbe")
	delete(container, "livenessProbe")
	container["image"] = "nginx:latest"
	container["env"] = append(container["env"].([]any), map[string]any{"name": "DB_PASSWORD", "value": "correct-Horse-7-staple"})
	return object
}

func withoutResources(pod map[string]any) map[string]any {
	for _, container := range pod["spec"].(map[string]any)["containers"].([]any) {
		delete(container.(map[string]any), "resources")
	}
	return pod
}

const mebibyte = 1 << 20

// secret is an image of no meaning, as a keystore is: bytes that compress to nothing.
func secret() map[string]any {
	random := rand.NewChaCha8([32]byte{1})
	content := make([]byte, mebibyte*3/4)
	_, _ = random.Read(content)
	return map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": map[string]any{"name": "keystore", "namespace": "eks-work"},
		"data": map[string]any{"keystore.jks": base64.StdEncoding.EncodeToString(content)},
	}
}

// configMap has files of settings and of prose.
func configMap() map[string]any {
	data := map[string]any{}
	for i := range 16 {
		var text strings.Builder
		for line := 0; text.Len() < mebibyte/16; line++ {
			fmt.Fprintf(&text, "server.%d.name = backend-%d.eks-work.svc.cluster.local\nserver.%d.weight = %d\n# An ordinary line that says what the one above it is for.\n", line, i, line, line%7)
		}
		data[fmt.Sprintf("settings-%d.properties", i)] = text.String()
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "settings", "namespace": "eks-work"}, "data": data,
	}
}
