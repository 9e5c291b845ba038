package request

import (
	"math"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// applyDefaults sets the API server's defaults for the fields that policies read in a manifest;
// otherwise files and clusters would get different decisions. The values are those of
// SetDefaults_* in Kubernetes' pkg/apis/{core,apps,batch}/v1/defaults.go.
func applyDefaults(kind schema.GroupKind, object map[string]any) {
	spec := mapAt(object, "spec")
	switch kind {
	case schema.GroupKind{Kind: "Pod"}:
		defaultPodSpec(spec)
		defaultRequests(spec)
	case schema.GroupKind{Kind: "Secret"}:
		mergeStringData(object)
		setDefault(object, "type", "Opaque")
	case schema.GroupKind{Kind: "Service"}:
		setDefault(spec, "type", "ClusterIP")
	case schema.GroupKind{Kind: "ReplicationController"}, schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}:
		setDefault(spec, "replicas", int64(1))
		defaultPodSpec(mapAt(spec, "template", "spec"))
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}:
		defaultDeployment(spec)
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		setDefault(spec, "replicas", int64(1))
		setDefault(spec, "revisionHistoryLimit", int64(10))
		setDefault(ensureMap(spec, "updateStrategy"), "type", "RollingUpdate")
		defaultPodSpec(mapAt(spec, "template", "spec"))
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		setDefault(spec, "revisionHistoryLimit", int64(10))
		setDefault(ensureMap(spec, "updateStrategy"), "type", "RollingUpdate")
		defaultPodSpec(mapAt(spec, "template", "spec"))
	case schema.GroupKind{Group: "batch", Kind: "Job"}:
		defaultJob(spec)
	case schema.GroupKind{Group: "batch", Kind: "CronJob"}:
		setDefault(spec, "concurrencyPolicy", "Allow")
		setDefault(spec, "suspend", false)
		setDefault(spec, "successfulJobsHistoryLimit", int64(3))
		setDefault(spec, "failedJobsHistoryLimit", int64(1))
		defaultPodSpec(mapAt(spec, "jobTemplate", "spec", "template", "spec"))
	}
}

func defaultDeployment(spec map[string]any) {
	setDefault(spec, "replicas", int64(1))
	setDefault(spec, "revisionHistoryLimit", int64(10))
	setDefault(spec, "progressDeadlineSeconds", int64(600))
	strategy := ensureMap(spec, "strategy")
	setDefault(strategy, "type", "RollingUpdate")
	if strategy["type"] == "RollingUpdate" {
		rolling := ensureMap(strategy, "rollingUpdate")
		setDefault(rolling, "maxUnavailable", "25%")
		setDefault(rolling, "maxSurge", "25%")
	}
	defaultPodSpec(mapAt(spec, "template", "spec"))
}

// defaultJob leaves completions unset if only parallelism is set, which makes the Job a work
// queue. If failures are limited per index, there is no default limit for the whole Job. The
// API server sets defaults on a CronJob's Job when it is created, not before.
func defaultJob(spec map[string]any) {
	if spec["completions"] == nil && spec["parallelism"] == nil {
		setDefault(spec, "completions", int64(1))
	}
	setDefault(spec, "parallelism", int64(1))
	if spec["backoffLimitPerIndex"] == nil {
		setDefault(spec, "backoffLimit", int64(6))
	} else {
		setDefault(spec, "backoffLimit", int64(math.MaxInt32))
	}
	setDefault(spec, "suspend", false)
	setDefault(spec, "completionMode", "NonIndexed")
	replacement := "TerminatingOrFailed"
	if spec["podFailurePolicy"] != nil {
		replacement = "Failed"
	}
	setDefault(spec, "podReplacementPolicy", replacement)
	defaultPodSpec(mapAt(spec, "template", "spec"))
}

// JobSpec returns a copy of a Job's spec as the API server stores it, without the generated
// labels and selector that identify the Job's Pods.
func JobSpec(spec map[string]any) map[string]any {
	if spec == nil {
		return map[string]any{}
	}
	spec = runtime.DeepCopyJSON(spec)
	defaultJob(spec)
	setDefault(spec, "manualSelector", false)
	return spec
}

func defaultPodSpec(spec map[string]any) {
	setDefault(spec, "restartPolicy", "Always")
	setDefault(spec, "terminationGracePeriodSeconds", int64(30))
	for _, list := range []string{"containers", "initContainers"} {
		items, _ := at(spec, list).([]any)
		for _, item := range items {
			container, _ := item.(map[string]any)
			for _, name := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
				defaultProbe(mapAt(container, name))
			}
		}
	}
}

// defaultProbe replaces 0 in the four fields that have a default, as the API server does. It
// sets initialDelaySeconds to 0 if it is missing or null.
func defaultProbe(probe map[string]any) {
	if probe == nil {
		return
	}
	setDefault(probe, "initialDelaySeconds", int64(0))
	for name, value := range map[string]int64{"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3} {
		if probe[name] == nil || probe[name] == int64(0) {
			probe[name] = value
		}
	}
	if get := mapAt(probe, "httpGet"); get != nil {
		setDefault(get, "path", "/")
		setDefault(get, "scheme", "HTTP")
	}
}

// defaultRequests sets requests to limits, as the API server does for Pods only.
func defaultRequests(spec map[string]any) {
	for _, list := range []string{"containers", "initContainers"} {
		items, _ := at(spec, list).([]any)
		for _, item := range items {
			container, _ := item.(map[string]any)
			limits := mapAt(container, "resources", "limits")
			if len(limits) == 0 {
				continue
			}
			requests := ensureMap(mapAt(container, "resources"), "requests")
			for name, value := range limits {
				setDefault(requests, name, value)
			}
		}
	}
}
