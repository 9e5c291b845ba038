package request

import (
	"k8s.io/apimachinery/pkg/util/intstr"

	"taffrail.dev/webhook/decision"
)

// Count returns the number of Pods of a workload from its object and its autoscaler. For a
// DaemonSet it is the number in the last status, because the number of nodes is not known. For
// a CronJob it is the number in one run. A suspended or finished workload has no Pods.
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
	c.Max = c.Steady
	if autoscaler := r.Workload.Autoscaler; autoscaler != nil && c.Steady > 0 {
		c.Steady = max(c.Steady, autoscaler.MinReplicas)
		c.Max = max(c.Steady, autoscaler.MaxReplicas)
	}
	if strategy := mapAt(spec, "strategy"); r.Kind.Kind == "Deployment" && strategy["type"] == "RollingUpdate" {
		c.Surge, c.Unavailable = rolling(mapAt(strategy, "rollingUpdate"), c.Steady)
	}
	return c
}

// CurrentPods returns the number of Pods that the stored object has according to its status.
func CurrentPods(object map[string]any, kind string) int64 {
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

// parallel returns how many Pods a Job runs at a time: none while it is suspended, and at most
// as many as are to complete.
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

// finished reports whether a Job's status is Complete or Failed.
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
// pkg/controller/deployment/util): surge up and unavailable down, with at least one of them
// above zero.
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
		return 0 // the API server rejects it
	}
	return int64(scaled)
}

func integer(object map[string]any, path ...string) int64 {
	value, _ := at(object, path...).(int64)
	return value
}
