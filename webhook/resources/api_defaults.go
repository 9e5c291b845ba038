package resources

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// APIDefaults applies the defaults that the API server's decoder sets on a Pod: it rounds
// quantities up to thousandths, and sets missing requests of containers to their limits
// (SetDefaults_Pod and SetDefaults_ResourceList in pkg/apis/core/v1/defaults.go). Pod-level
// defaults are set after admission only; Predict applies those. APIDefaults does not modify its
// argument.
func APIDefaults(p Pod) Pod {
	p.Containers = slices.Clone(p.Containers)
	for i := range p.Containers {
		r := &p.Containers[i].Resources
		r.Limits = rounded(r.Limits)
		r.Requests = withMissing(rounded(r.Requests), r.Limits)
	}
	if p.Resources != nil {
		r := *p.Resources
		r.Limits, r.Requests = rounded(r.Limits), rounded(r.Requests)
		p.Resources = &r
	}
	p.Overhead = rounded(p.Overhead)
	return p
}

// withPodLevelDefaults completes Pod-level resources that are partly set, as
// DefaultPodLevelResources in pkg/api/pod/util.go does when the Pod is stored: after all
// mutating admission and before validation. Each step uses the values that the previous one
// set.
func withPodLevelDefaults(p Pod) Pod {
	if p.Resources == nil || len(p.Resources.Requests) == 0 && len(p.Resources.Limits) == 0 {
		return p
	}
	r := *p.Resources
	p.Resources = &r
	requests, limits := containerTotals(p.Containers)

	add := corev1.ResourceList{}
	for name, total := range limits {
		if _, requested := r.Requests[name]; isHugePages(name) && !requested {
			add[name] = total
		}
	}
	r.Limits = withMissing(r.Limits, add)

	add = corev1.ResourceList{}
	for name, total := range requests {
		if name == corev1.ResourceCPU || name == corev1.ResourceMemory {
			add[name] = total
		}
	}
	r.Requests = withMissing(r.Requests, add)
	add = corev1.ResourceList{}
	for name, limit := range r.Limits {
		if supportedAtPodLevel(name) {
			add[name] = limit
		}
	}
	r.Requests = withMissing(r.Requests, add)

	add = corev1.ResourceList{}
	for name, request := range r.Requests {
		total, ok := limits[name]
		if !ok || !supportedAtPodLevel(name) || !allHaveLimit(p.Containers, name) {
			continue
		}
		if request.Cmp(total) > 0 {
			total = request
		}
		add[name] = total
	}
	r.Limits = withMissing(r.Limits, add)
	return p
}

func allHaveLimit(containers []Container, name corev1.ResourceName) bool {
	return !slices.ContainsFunc(containers, func(c Container) bool {
		_, ok := c.Resources.Limits[name]
		return !ok
	})
}

// containerTotals adds up the containers as the scheduler does: app containers and sidecars run
// together, an init container runs together with the sidecars before it, and the maximum over
// time counts (podRequests in plugin/pkg/admission/limitranger/admission.go and
// AggregateContainerRequests in k8s.io/component-helpers/resource, which agree).
func containerTotals(containers []Container) (requests, limits corev1.ResourceList) {
	return total(containers, func(c *Container) corev1.ResourceList { return c.Resources.Requests }),
		total(containers, func(c *Container) corev1.ResourceList { return c.Resources.Limits })
}

func total(containers []Container, of func(*Container) corev1.ResourceList) corev1.ResourceList {
	sum, sidecars, peak := corev1.ResourceList{}, corev1.ResourceList{}, corev1.ResourceList{}
	for i := range containers {
		c := &containers[i]
		switch c.Type {
		case decision.ContainerSidecar:
			addTo(sum, of(c))
			addTo(sidecars, of(c))
			raise(peak, sidecars) // more than the sum if an app container has a negative value
		case decision.ContainerInit:
			moment := maps.Clone(sidecars)
			addTo(moment, of(c))
			raise(peak, moment)
		default:
			addTo(sum, of(c))
		}
	}
	raise(sum, peak)
	return sum
}

// addTo copies values before adding: a large quantity contains a pointer.
func addTo(sum, list corev1.ResourceList) {
	for name, value := range list {
		have := sum[name].DeepCopy()
		have.Add(value)
		sum[name] = have
	}
}

func raise(list, to corev1.ResourceList) {
	for name, value := range to {
		if have, ok := list[name]; !ok || value.Cmp(have) > 0 {
			list[name] = value.DeepCopy()
		}
	}
}

// withMissing returns list with the values of from that it lacks, or list itself if it lacks
// none. It copies values, because from may belong to an informer.
func withMissing(list, from corev1.ResourceList) corev1.ResourceList {
	owned := false
	for name, value := range from {
		if _, ok := list[name]; ok {
			continue
		}
		if !owned {
			list, owned = grown(list, len(from)), true
		}
		list[name] = value.DeepCopy()
	}
	return list
}

// rounded returns list with all values rounded up to thousandths, or list itself if they
// already are.
func rounded(list corev1.ResourceList) corev1.ResourceList {
	owned := false
	for name, value := range list {
		if value.RoundUp(resource.Milli) {
			continue
		}
		if !owned {
			list, owned = grown(list, 0), true
		}
		list[name] = value
	}
	return list
}

func grown(list corev1.ResourceList, by int) corev1.ResourceList {
	bigger := make(corev1.ResourceList, len(list)+by)
	maps.Copy(bigger, list)
	return bigger
}
