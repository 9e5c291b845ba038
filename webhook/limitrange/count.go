package limitrange

import (
	"k8s.io/apimachinery/pkg/util/intstr"

	"taffrail.dev/webhook/review"
)

// Count is how many Pods a workload has, and for how long.
type Count struct {
	// Pods at once, when nothing changes.
	Pods int64
	// Surge is how many more there may be during a rollout.
	Surge int64
	// Unavailable is how many a rollout may take away before it makes new ones.
	Unavailable int64
	// Most is how many an autoscaler may make of Pods; 0 without one.
	Most int64
}

// CountOf reads the Count of a workload from its object. A DaemonSet has as many Pods as
// it had when its status was written last: how many nodes there are is nobody's to say
// here. A CronJob counts one run.
func CountOf(r *review.Request) Count {
	spec := member(r.Object, "spec")
	c := Count{Pods: r.Workload.Replicas}
	switch r.Kind.Kind {
	case "DaemonSet":
		c.Pods = max(1, integer(member(statusOwner(r), "status"), "desiredNumberScheduled"))
	case "Job":
		c.Pods = parallel(spec)
	case "CronJob":
		c.Pods = parallel(member(member(spec, "jobTemplate"), "spec"))
	}
	if autoscaler := r.Workload.Autoscaler; autoscaler != nil && c.Pods > 0 {
		c.Pods = max(c.Pods, autoscaler.MinReplicas)
		c.Most = autoscaler.MaxReplicas
	}
	if strategy := member(spec, "strategy"); r.Kind.Kind == "Deployment" && strategy["type"] == "RollingUpdate" {
		c.Surge, c.Unavailable = rolling(member(strategy, "rollingUpdate"), c.Pods)
	}
	return c
}

// PresentPods is how many Pods the stored object has, by its status.
func PresentPods(object map[string]any, kind string) int64 {
	status := member(object, "status")
	switch kind {
	case "DaemonSet":
		return integer(status, "currentNumberScheduled")
	case "Job":
		return integer(status, "active")
	}
	return integer(status, "replicas")
}

func statusOwner(r *review.Request) map[string]any {
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

func member(object map[string]any, name string) map[string]any {
	value, _ := object[name].(map[string]any)
	return value
}

func integer(object map[string]any, name string) int64 {
	value, _ := object[name].(int64)
	return value
}
