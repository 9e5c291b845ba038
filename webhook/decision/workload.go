package decision

import (
	corev1 "k8s.io/api/core/v1"
)

// Workload is what a Pod, or a kind that carries a template for Pods, has in common
// with all the others.
type Workload struct {
	// LongRunning: Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController,
	// and Pods with restartPolicy Always.
	LongRunning bool
	// Template is false for a Pod: what is decided is the thing itself.
	Template bool
	// Replicas is 1 where the kind has no such field.
	Replicas int64
	// PodPath leads to the object that has the Pod's spec and metadata: "" for a
	// Pod, "spec.template", "spec.jobTemplate.spec.template".
	PodPath string
	// Pod is the object at PodPath, never nil.
	Pod map[string]any
	// PodResources is the Pod-level spec.resources, nil where it is not set.
	PodResources *corev1.ResourceRequirements
	Containers   []Container

	// What follows is set by enrichment, from facts.

	// Refusals is what LimitRanges will refuse Pods of this template for, and their claims.
	Refusals []Refusal
	// Shortages is what ResourceQuotas will refuse some of the Pods for.
	Shortages []Shortage
	// Autoscaler is the HorizontalPodAutoscaler that scales the object, nil without one.
	Autoscaler *Autoscaler
	// Count is how many Pods there will be.
	Count PodCount
}

// PodCount is how many Pods a workload has, and for how long.
type PodCount struct {
	// Steady is how many there are at once while nothing changes, and Most how many an
	// autoscaler may make of them; the same without one.
	Steady, Most int64
	// Surge is how many more there may be during a rollout, and Unavailable how many it may
	// take away before it makes new ones: as Kubernetes rounds them, and never both 0 where
	// the object is a Deployment that rolls.
	Surge, Unavailable int64
}

// PodScope is what of a Pod decides, beside its resources, which ResourceQuotas count it.
type PodScope struct {
	// PriorityClass is empty where none is named; the cluster's default is not known here.
	PriorityClass string
	// Terminating Pods have an active deadline.
	Terminating bool
	// CrossNamespaceAffinity is that to Pods, or against them, in named or selected namespaces.
	CrossNamespaceAffinity bool
}

// FieldPath leads to the field of a container, as resources.limits.cpu. It is the field
// alone where no container has the name. A nil Workload has no containers.
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

// Autoscaler is what a HorizontalPodAutoscaler makes of spec.replicas.
type Autoscaler struct {
	Name                     string
	MinReplicas, MaxReplicas int64
}

// ContainerType tells the four sorts of containers in a Pod apart.
type ContainerType string

const (
	ContainerApp ContainerType = "app"
	// ContainerInit runs to its end before the app containers start.
	ContainerInit ContainerType = "init"
	// ContainerSidecar is an init container with restartPolicy Always.
	ContainerSidecar   ContainerType = "sidecar"
	ContainerEphemeral ContainerType = "ephemeral"
)

// Container is one container of a Workload.
type Container struct {
	Name string
	Type ContainerType
	// Path is the place in the user's object, as in spec.template.spec.containers[0].
	Path string
	// Spec is the container itself as JSON, never nil.
	Spec  map[string]any
	Image Image
	// Declared is what the object itself says; a quantity that does not parse is left out.
	Declared corev1.ResourceRequirements
	// Effective is Declared after API defaulting and the namespace's LimitRanges, where
	// every order of them agrees. Set by enrichment; for ephemeral containers it is empty.
	Effective corev1.ResourceRequirements
}

// Pointer returns the container's Path as a JSON Pointer.
func (c *Container) Pointer() Pointer { return FieldPath(c.Path).Pointer() }

// Image is a container image reference, parsed.
type Image struct {
	// Reference is the text in the object.
	Reference string
	// Valid is false for text that no runtime would accept; the fields below are then empty.
	Valid      bool
	Registry   string
	Repository string
	Tag        string
	Digest     string
}

// Refusal is something the API server will not admit, predicted.
type Refusal struct {
	// By names what refuses, as in "LimitRange/team-limits".
	By string
	// Container is empty for a bound on the Pod as a whole, and for a claim.
	Container string
	// Claim is the Path of the claim that is refused, empty where it is the Pod.
	Claim    string
	Resource string
	// Bound is min, max or maxLimitRequestRatio; "default" where no bound is broken but the
	// Pod is invalid once defaults have landed.
	Bound   string
	Message string
	// Excess is how far the value is past the bound, as an exact decimal number; empty where
	// no value is set, or none is too small or too large.
	Excess string
	// Certain is false where the outcome depends on the order in which several LimitRanges apply.
	Certain bool
}

// Shortage is a ResourceQuota that has too little left for all Pods of a workload, or
// that refuses them for want of a value.
type Shortage struct {
	// By names the quota, as in "ResourceQuota/team".
	By string
	// Resource as the quota names it, as in requests.cpu.
	Resource string
	// When is what there is too little for.
	When ShortageTime
	// Pods is how many there are then; 0 where a value is wanting.
	Pods int64
	// Needed by all the Pods, Left of Hard when what the workload's present Pods use is
	// given back: quantities, and empty where a value is wanting.
	Needed, Left, Hard string
	// Excess is how much too little there is for what is to run all the time, as an exact
	// decimal number: 0 for a rollout that cannot begin. Empty where nothing of it is wanting.
	Excess string
	// Container and Field, as in resources.limits.cpu, tell which value is wanting.
	Container, Field string
	// Certain is false where the outcome depends on the order in which several LimitRanges apply.
	Certain bool
}

// ShortageTime is when a quota is short.
type ShortageTime string

const (
	// ShortAlways: not all of the replicas, or parallel Pods, will be created.
	ShortAlways ShortageTime = "always"
	// ShortStuck: a rollout cannot begin, because it may not take any Pod away first.
	ShortStuck ShortageTime = "stuck"
	// ShortRollout: a rollout gets fewer Pods in advance than it may have.
	ShortRollout ShortageTime = "rollout"
	// ShortScaling: the autoscaler cannot reach its maximum.
	ShortScaling ShortageTime = "scaling"
)
