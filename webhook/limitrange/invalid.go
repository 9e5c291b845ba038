package limitrange

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/review"
)

// invalid is what validation finds wrong with the values of a Pod's resources
// (validateResourceRequirements and validatePodResourceConsistency in
// pkg/apis/core/validation), for a Pod whose Pod-level defaults are set. Names of
// resources are not looked at: no default changes whether they are good.
func invalid(p *Pod) []string {
	var found []string
	for i := range p.Containers {
		own := len(found)
		found = invalidRequirements(found, &p.Containers[i].Resources)
		for ; own < len(found); own++ {
			found[own] = fmt.Sprintf("container %q: %s", p.Containers[i].Name, found[own])
		}
	}
	if p.Resources == nil {
		return found
	}
	own := len(found)
	found = invalidRequirements(found, p.Resources)
	for ; own < len(found); own++ {
		found[own] = "Pod-level resources: " + found[own]
	}
	requests, limits := containerTotals(p.Containers)
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		sum := requests[name]
		if q, ok := p.Resources.Requests[name]; ok && sum.Cmp(q) > 0 {
			found = append(found, fmt.Sprintf("the containers' %s requests add up to %s, over the Pod-level request %s", name, sum.String(), q.String()))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		sum := limits[name]
		if q, ok := p.Resources.Limits[name]; ok && isHugePages(name) && sum.Cmp(q) > 0 {
			found = append(found, fmt.Sprintf("the containers' %s limits add up to %s, over the Pod-level limit %s", name, sum.String(), q.String()))
		}
	}
	for i := range p.Containers {
		c := &p.Containers[i]
		if c.Type == review.ContainerInit || c.Type == review.ContainerSidecar {
			continue // validation looks at app containers only
		}
		for _, name := range slices.Sorted(maps.Keys(c.Resources.Limits)) {
			limit := c.Resources.Limits[name]
			if q, ok := p.Resources.Limits[name]; ok && limit.Cmp(q) > 0 {
				found = append(found, fmt.Sprintf("container %q: %s limit %s is over the Pod-level limit %s", c.Name, name, limit.String(), q.String()))
			}
		}
	}
	return found
}

func invalidRequirements(found []string, r *corev1.ResourceRequirements) []string {
	if len(r.Limits) == 0 && len(r.Requests) == 0 {
		return found
	}
	start, computes, hugePages := len(found), false, false
	look := func(what string, name corev1.ResourceName, q resource.Quantity) {
		computes = computes || name == corev1.ResourceCPU || name == corev1.ResourceMemory
		hugePages = hugePages || isHugePages(name)
		if why := invalidQuantity(name, &q); why != "" {
			found = append(found, fmt.Sprintf("%s %s %s %s", name, what, q.String(), why))
		}
	}
	for name, limit := range r.Limits {
		look("limit", name, limit)
	}
	for name, request := range r.Requests {
		look("request", name, request)
		limit, ok := r.Limits[name]
		switch {
		case !ok && !mayOvercommit(name):
			found = append(found, fmt.Sprintf("%s request %s has no limit, and must have an equal one", name, request.String()))
		case ok && !mayOvercommit(name) && request.Cmp(limit) != 0:
			found = append(found, fmt.Sprintf("%s request %s must be equal to the limit %s", name, request.String(), limit.String()))
		case ok && request.Cmp(limit) > 0:
			found = append(found, fmt.Sprintf("%s request %s is over the limit %s", name, request.String(), limit.String()))
		}
	}
	if hugePages && !computes {
		found = append(found, "hugepages need a cpu or memory request or limit beside them")
	}
	slices.Sort(found[start:])
	return found
}

func invalidQuantity(name corev1.ResourceName, q *resource.Quantity) string {
	switch {
	case q.Sign() < 0:
		return "is negative"
	case !isNative(name) && q.MilliValue()%1000 != 0:
		return "is not a whole number"
	case isHugePages(name):
		size, err := resource.ParseQuantity(strings.TrimPrefix(string(name), corev1.ResourceHugePagesPrefix))
		if err != nil || size.Value() <= 0 || size.MilliValue()%1000 != 0 || q.Value()%size.Value() != 0 {
			return "is not a multiple of the page size"
		}
	}
	return ""
}
