package request

import (
	"k8s.io/apimachinery/pkg/util/intstr"

	"taffrail.dev/webhook/decision"
)

// Count is how many Pods a workload has, by its object and its autoscaler. A DaemonSet has
// as many as when its status was written last: how many nodes there are is nobody's to
// say here. A CronJob counts one run. What is suspended or finished makes no Pods.
func Count(r *decision.Request) decision.PodCount {
	spec := mapAt(r.Object, "spec")
	c := decision.PodCount{Steady: r.Workload.Replicas}
	switch r.Kind.Kind {
	case "DaemonSet":
		c.Steady = max(1, integer(statusOwner(r), "status", "desiredNumberScheduled"))
	case "Job":
		c.Steady = parallel(spec)
		if finished(mapAt(statusOwner(r), "status")) {
			c.Steady = 0
		}
	case "CronJob":
		c.Steady = parallel(mapAt(spec, "jobTemplate", "spec"))
		if spec["suspend"] == true {
			c.Steady = 0
		}
	}
	c.Most = c.Steady
	if autoscaler := r.Workload.Autoscaler; autoscaler != nil && c.Steady > 0 {
		c.Steady = max(c.Steady, autoscaler.MinReplicas)
		c.Most = max(c.Steady, autoscaler.MaxReplicas)
	}
	if strategy := mapAt(spec, "strategy"); r.Kind.Kind == "Deployment" && strategy["type"] == "RollingUpdate" {
		c.Surge, c.Unavailable = rolling(mapAt(strategy, "rollingUpdate"), c.Steady)
	}
	return c
}

// PresentPods is how many Pods the stored object has, by its status.
func PresentPods(object map[string]any, kind string) int64 {
	switch kind {
	case "DaemonSet":
		return integer(object, "status", "currentNumberScheduled")
	case "Job":
		return integer(object, "status", "active")
	}
	return integer(object, "status", "replicas")
}

func statusOwner(r *decision.Request) map[string]any {
	if r.OldObject != nil {
		return r.OldObject
	}
	return r.Object
}

// parallel is how many Pods a Job runs at once: none while it is suspended, and never
// more than are to complete.
func parallel(spec map[string]any) int64 {
	if spec["suspend"] == true {
		return 0
	}
	pods := int64(1)
	if _, set := spec["parallelism"].(int64); set {
		pods = integer(spec, "parallelism")
	}
	if completions, set := spec["completions"].(int64); set {
		pods = min(pods, completions)
	}
	return pods
}

// finished tells whether a Job has said that it is done, or has given up.
func finished(status map[string]any) bool {
	conditions, _ := status["conditions"].([]any)
	for _, item := range conditions {
		condition, _ := item.(map[string]any)
		if (condition["type"] == "Complete" || condition["type"] == "Failed") && condition["status"] == "True" {
			return true
		}
	}
	return false
}

// rolling rounds as the deployment controller does (ResolveFenceposts in
// pkg/controller/deployment/util): surge up, unavailable down, and never both to nothing.
func rolling(update map[string]any, replicas int64) (surge, unavailable int64) {
	surge = scaled(update["maxSurge"], replicas, true)
	unavailable = scaled(update["maxUnavailable"], replicas, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

func scaled(value any, of int64, up bool) int64 {
	var text intstr.IntOrString
	switch value := value.(type) {
	case string:
		text = intstr.FromString(value)
	case int64:
		return value
	default:
		return 0
	}
	scaled, err := intstr.GetScaledValueFromIntOrPercent(&text, int(of), up)
	if err != nil {
		return 0 // the API server refuses it
	}
	return int64(scaled)
}

func integer(object map[string]any, path ...string) int64 {
	value, _ := at(object, path...).(int64)
	return value
}
