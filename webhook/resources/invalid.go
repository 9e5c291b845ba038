package resources

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// Fault is a validation error in a Pod's resources.
type Fault struct {
	// Container is empty for an error in the Pod as a whole.
	Container string
	Resource  corev1.ResourceName
	Message   string
	// Excess is how far a request exceeds the limit as an exact decimal number; empty for other
	// errors.
	Excess string
}

// String returns a message for the operator.
func (f Fault) String() string {
	if f.Container == "" {
		return f.Message
	}
	return fmt.Sprintf("container %q: %s", f.Container, f.Message)
}

// invalid returns the errors of validateResourceRequirements and validatePodResourceConsistency
// in pkg/apis/core/validation, for a Pod with Pod-level defaults. It does not validate the
// names of resources, because no default changes them.
func invalid(p *Pod) []Fault {
	var found []Fault
	for i := range p.Containers {
		found = append(found, invalidRequirements(p.Containers[i].Name, &p.Containers[i].Resources)...)
	}
	if p.Resources == nil {
		return found
	}
	for _, fault := range invalidRequirements("", p.Resources) {
		fault.Message = "Pod-level resources: " + fault.Message
		found = append(found, fault)
	}
	wrong := func(container string, name corev1.ResourceName, format string, args ...any) {
		found = append(found, Fault{Container: container, Resource: name, Message: fmt.Sprintf(format, args...)})
	}
	requests, limits := containerTotals(p.Containers)
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		sum := requests[name]
		if q, ok := p.Resources.Requests[name]; ok && sum.Cmp(q) > 0 {
			wrong("", name, "the containers' %s requests add up to %s, over the Pod-level request %s", name, sum.String(), q.String())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		sum := limits[name]
		if q, ok := p.Resources.Limits[name]; ok && isHugePages(name) && sum.Cmp(q) > 0 {
			wrong("", name, "the containers' %s limits add up to %s, over the Pod-level limit %s", name, sum.String(), q.String())
		}
	}
	for i := range p.Containers {
		c := &p.Containers[i]
		if c.Type == decision.ContainerInit || c.Type == decision.ContainerSidecar {
			continue // validation checks app containers only
		}
		for _, name := range slices.Sorted(maps.Keys(c.Resources.Limits)) {
			limit := c.Resources.Limits[name]
			if q, ok := p.Resources.Limits[name]; ok && limit.Cmp(q) > 0 {
				wrong(c.Name, name, "%s limit %s is over the Pod-level limit %s", name, limit.String(), q.String())
			}
		}
	}
	return found
}

func invalidRequirements(container string, r *corev1.ResourceRequirements) []Fault {
	if len(r.Limits) == 0 && len(r.Requests) == 0 {
		return nil
	}
	var found []Fault
	wrong := func(name corev1.ResourceName, format string, args ...any) {
		found = append(found, Fault{Container: container, Resource: name, Message: fmt.Sprintf(format, args...)})
	}
	computes, hugePages := false, false
	look := func(what string, name corev1.ResourceName, q resource.Quantity) {
		computes = computes || name == corev1.ResourceCPU || name == corev1.ResourceMemory
		hugePages = hugePages || isHugePages(name)
		if why := invalidQuantity(name, &q); why != "" {
			wrong(name, "%s %s %s %s", name, what, q.String(), why)
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
			wrong(name, "%s request %s must have an equal limit", name, request.String())
		case ok && !mayOvercommit(name) && request.Cmp(limit) != 0:
			wrong(name, "%s request %s must be equal to the limit %s", name, request.String(), limit.String())
		case ok && request.Cmp(limit) > 0:
			wrong(name, "%s request %s is over the limit %s", name, request.String(), limit.String())
			found[len(found)-1].Excess = difference(request, limit)
		}
	}
	if hugePages && !computes {
		wrong("", "hugepages also require a cpu or memory request or limit")
	}
	slices.SortFunc(found, func(a, b Fault) int { return strings.Compare(a.Message, b.Message) })
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
