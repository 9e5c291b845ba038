package resources

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// Pod has the parts of a Pod that concern its resources.
type Pod struct {
	// Containers omits ephemeral containers, which have no resources. Init containers and
	// sidecars are in the Pod's order, which affects totals.
	Containers []Container
	// Resources is the Pod-level spec.resources, or nil.
	Resources *corev1.ResourceRequirements
	// Overhead is spec.overhead. Quotas count it and LimitRanges do not.
	Overhead corev1.ResourceList
}

// Container is one container of a Pod.
type Container struct {
	Name      string
	Type      decision.ContainerType
	Resources corev1.ResourceRequirements
}

// PodOf returns the Pod that a workload declares. Its containers are those of the workload in
// the same order, without ephemeral ones.
func PodOf(w *decision.Workload) Pod {
	p := Pod{Containers: make([]Container, 0, len(w.Containers)), Resources: w.PodResources, Overhead: overheadOf(w.Pod)}
	for i := range w.Containers {
		if c := &w.Containers[i]; c.Type != decision.ContainerEphemeral {
			p.Containers = append(p.Containers, Container{Name: c.Name, Type: c.Type, Resources: c.Declared})
		}
	}
	return p
}

func overheadOf(pod map[string]any) corev1.ResourceList {
	spec, _ := pod["spec"].(map[string]any)
	declared, _ := spec["overhead"].(map[string]any)
	if len(declared) == 0 {
		return nil
	}
	overhead := make(corev1.ResourceList, len(declared))
	for name, value := range declared {
		switch v := value.(type) {
		case string:
			if q, err := resource.ParseQuantity(v); err == nil {
				overhead[corev1.ResourceName(name)] = q
			}
		case int64:
			overhead[corev1.ResourceName(name)] = *resource.NewQuantity(v, resource.DecimalSI)
		}
	}
	return overhead
}

// setsAtPodLevel reports whether the Pod's spec.resources sets the resource.
func (p *Pod) setsAtPodLevel(name corev1.ResourceName) bool {
	if p.Resources == nil {
		return false
	}
	_, request := p.Resources.Requests[name]
	_, limit := p.Resources.Limits[name]
	return request || limit
}

// hasPodLevelResources reports whether the Pod's spec.resources sets a resource that is
// supported at Pod level (IsPodLevelResourcesSet in k8s.io/component-helpers/resource).
func (p *Pod) hasPodLevelResources() bool {
	if p.Resources == nil {
		return false
	}
	for _, list := range []corev1.ResourceList{p.Resources.Requests, p.Resources.Limits} {
		for name := range list {
			if supportedAtPodLevel(name) {
				return true
			}
		}
	}
	return false
}

func supportedAtPodLevel(name corev1.ResourceName) bool {
	return name == corev1.ResourceCPU || name == corev1.ResourceMemory || isHugePages(name)
}

func isHugePages(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// isNative reports whether a resource is not an extended one.
func isNative(name corev1.ResourceName) bool {
	return !strings.Contains(string(name), "/") || strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix)
}

// mayOvercommit reports whether a request may be smaller than the limit.
func mayOvercommit(name corev1.ResourceName) bool { return isNative(name) && !isHugePages(name) }
