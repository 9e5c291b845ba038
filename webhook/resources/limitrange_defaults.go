package resources

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// withLimitRangeDefaults sets missing values of every container.
func withLimitRangeDefaults(p Pod, defaults *corev1.ResourceRequirements) Pod {
	if len(defaults.Requests) == 0 && len(defaults.Limits) == 0 {
		return p
	}
	p.Containers = slices.Clone(p.Containers)
	for i := range p.Containers {
		r := &p.Containers[i].Resources
		r.Requests = withMissing(r.Requests, defaults.Requests)
		r.Limits = withMissing(r.Limits, defaults.Limits)
	}
	return p
}
