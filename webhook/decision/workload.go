package decision

import (
	corev1 "k8s.io/api/core/v1"
)

// Workload describes what Pods and the kinds with a Pod template have in common.
type Workload struct {
	// LongRunning is true for a Deployment, StatefulSet, DaemonSet, ReplicaSet or
	// ReplicationController, and for a Pod with restartPolicy Always.
	LongRunning bool
	// Template is false for a Pod.
	Template bool
	// Replicas is 1 if the kind has no such field.
	Replicas int64
	// PodPath is the path of the object with the Pod's metadata and spec: "" for a Pod, or
	// "spec.template" or "spec.jobTemplate.spec.template".
	PodPath string
	// Pod is the object at PodPath, never nil.
	Pod map[string]any
	// PodResources is the Pod-level spec.resources, or nil.
	PodResources *corev1.ResourceRequirements
	Containers   []Container

	// The following fields are derived from facts.

	// Refusals are the reasons for which LimitRanges will refuse Pods of this template, or
	// their claims.
	Refusals []Refusal
	// Shortages are the reasons for which ResourceQuotas will refuse some of the Pods.
	Shortages []Shortage
	// Autoscaler is the HorizontalPodAutoscaler that scales the object, or nil.
	Autoscaler *Autoscaler
	// Count is the number of Pods.
	Count PodCount
}

// PodCount has the numbers of Pods that a workload can have.
type PodCount struct {
	// Steady is the number of Pods between rollouts, and Max the maximum to which an
	// autoscaler may scale it. They are equal without an autoscaler.
	Steady, Max int64
	// Surge is the maximum number of additional Pods in a rollout, and Unavailable the number
	// that it may delete first. They are rounded as in Kubernetes. For a Deployment with a
	// rolling update, at least one of them is not 0.
	Surge, Unavailable int64
}

// PodScope has the properties of a Pod, except its resources, that determine which
// ResourceQuotas count it.
type PodScope struct {
	// PriorityClass is empty if the Pod names none; the cluster's default class is not known.
	PriorityClass string
	// Terminating is true if the Pod has an active deadline.
	Terminating bool
	// CrossNamespaceAffinity is true if the Pod has affinity or anti-affinity with explicit
	// namespaces.
	CrossNamespaceAffinity bool
}

// FieldPath returns the path of a field in a container, such as resources.limits.cpu. It
// returns the field alone if no container has the name. A nil Workload has no containers.
func (w *Workload) FieldPath(container, field string) string {
	if w != nil {
		for i := range w.Containers {
			if w.Containers[i].Name == container {
				return w.Containers[i].Path + "." + field
			}
		}
	}
	return field
}

// Autoscaler has the limits of a HorizontalPodAutoscaler.
type Autoscaler struct {
	Name                     string
	MinReplicas, MaxReplicas int64
}

// ContainerType is one of the four types of containers in a Pod.
type ContainerType string

const (
	ContainerApp ContainerType = "app"
	// ContainerInit runs to completion before the app containers start.
	ContainerInit ContainerType = "init"
	// ContainerSidecar is an init container with restartPolicy Always.
	ContainerSidecar   ContainerType = "sidecar"
	ContainerEphemeral ContainerType = "ephemeral"
)

// Container is one container of a Workload.
type Container struct {
	Name string
	Type ContainerType
	// Path is the path in the user's object, as in spec.template.spec.containers[0].
	Path string
	// Spec is the container as JSON, never nil.
	Spec  map[string]any
	Image Image
	// Declared has the resources in the object, without quantities that do not parse.
	Declared corev1.ResourceRequirements
	// Effective is Declared after API defaults and LimitRange defaults, as far as all orders of
	// the LimitRanges agree. It is derived from facts, and empty for ephemeral containers.
	Effective corev1.ResourceRequirements
}

// Pointer returns the container's Path as a JSON Pointer.
func (c *Container) Pointer() Pointer { return FieldPath(c.Path).Pointer() }

// Image is a parsed container image reference.
type Image struct {
	// Reference is the text in the object.
	Reference string
	// Valid is false if no container runtime accepts the reference. The following fields are
	// then empty.
	Valid      bool
	Registry   string
	Repository string
	Tag        string
	Digest     string
}

// Refusal is a predicted rejection by the API server.
type Refusal struct {
	// By is the object that refuses, as in "LimitRange/team-limits".
	By string
	// Container is empty for a bound on the whole Pod, and for a claim.
	Container string
	// Claim is the Path of the refused claim, or empty if the Pod is refused.
	Claim    string
	Resource string
	// Bound is min, max or maxLimitRequestRatio, or "default" if defaults make the Pod invalid.
	Bound   string
	Message string
	// Excess is the distance of the value from the bound as an exact decimal number. It is
	// empty if no value is set, or if the refusal does not concern the size of one.
	Excess string
	// Certain is false if the result depends on the order in which LimitRanges apply.
	Certain bool
}

// Shortage is a ResourceQuota that cannot accommodate all Pods of a workload, or that refuses
// them because a value is not set.
type Shortage struct {
	// By is the quota, as in "ResourceQuota/team".
	By string
	// Resource is the resource as named in the quota, as in requests.cpu.
	Resource string
	// When is the situation in which the quota is insufficient.
	When ShortageTime
	// Pods is the number of Pods in that situation, or 0 if a value is not set.
	Pods int64
	// Needed is what all the Pods need, and Left what remains of Hard without the workload's
	// current Pods. They are empty if a value is not set.
	Needed, Left, Hard string
	// Excess is the shortage for the Pods that run permanently as an exact decimal number: 0 if
	// only a rollout cannot start. It is empty for other situations, and if a value is not set.
	Excess string
	// Container and Field name the value that is not set, as in resources.limits.cpu.
	Container, Field string
	// Certain is false if the result depends on the order in which LimitRanges apply.
	Certain bool
}

// ShortageTime is the situation in which a quota is insufficient.
type ShortageTime string

const (
	// ShortAlways means that not all replicas, or parallel Pods, can be created.
	ShortAlways ShortageTime = "always"
	// ShortStuck means that a rollout cannot start, because it may not delete any Pod first.
	ShortStuck ShortageTime = "stuck"
	// ShortRollout means that a rollout creates fewer surge Pods than its strategy allows.
	ShortRollout ShortageTime = "rollout"
	// ShortScaling means that the autoscaler cannot reach its maximum.
	ShortScaling ShortageTime = "scaling"
)
