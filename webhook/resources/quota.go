package resources

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// satisfyQuotas removes fills that would make a ResourceQuota refuse a Pod that it admits
// without them.
//
// Most quotas need no check: a quota on CPU or memory refuses every Pod with a container that
// lacks the value, so a Pod with a gap is refused already, and filling it can only help. Two
// cases remain. They are found by evaluating each quota with and without the fills as the
// ResourceQuota plugin does (CheckRequest in k8s.io/apiserver, the Pod evaluator in
// pkg/quota/v1/evaluator/core):
//
//   - The Pod is BestEffort, and CPU or memory brings it into quotas with the scope
//     NotBestEffort, which refuse it for their number of Pods, the amount of a resource, or a
//     resource that is still missing. All fills of CPU and memory are removed.
//   - The Pod has Pod-level resources: then no container needs any, and filling another
//     resource increases the usage. The same holds for ephemeral storage, which quotas never
//     require. All fills of that resource are removed.
//
// Scopes by priority class, deadline or affinity are assumed to match. A quota without status,
// from a file or just created, is assumed to have no room. status.used is as old as the
// informer's cache: a Pod admitted meanwhile may have used the room that this one was filled
// for.
func (f *filler) satisfyQuotas(filled map[containerField]resource.Quantity, quotas []*corev1.ResourceQuota, reasons refused) {
	quotas = sortedByName(quotas)
	for i := 0; i < len(quotas) && len(filled) > 0; {
		why, name := f.quotaRefusal(quotas[i], filled)
		if why == "" {
			i++
			continue
		}
		for at := range filled {
			if at.field.Resource == name || name == "" && at.field.Resource != corev1.ResourceEphemeralStorage {
				delete(filled, at)
				reasons.fields[at] = why
			}
		}
		i = 0 // fewer fills may be refused for another reason
	}
}

// quotaRefusal returns why the quota refuses the Pod with the values but not without them, and
// the resource that causes it. name is empty if the cause is that the Pod enters the quota's
// scope.
func (f *filler) quotaRefusal(q *corev1.ResourceQuota, values map[containerField]resource.Quantity) (why string, name corev1.ResourceName) {
	for i := range f.pods {
		before, after := withPodLevelDefaults(f.pods[i]), withPodLevelDefaults(f.with(i, values))
		was, is := predictQuota(q, &before), predictQuota(q, &after)
		if !is.applies || was.applies && was.refusal != "" {
			continue
		}
		if is.refusal == "" && len(q.Status.Hard) == 0 {
			is.refusal, is.resource = unknownRoom(q, &was, &is)
		}
		switch {
		case is.refusal == "":
		case !was.applies:
			return fmt.Sprintf("with cpu or memory set, the Pod would be subject to ResourceQuota/%s, which is for Pods that are not BestEffort: %s", q.Name, is.refusal), ""
		default:
			return fmt.Sprintf("ResourceQuota/%s: %s", q.Name, is.refusal), is.resource
		}
	}
	return "", ""
}

// quotaPrediction is the predicted result of a quota for a Pod.
type quotaPrediction struct {
	applies bool
	refusal string
	// resource is the resource that the refusal concerns, as named in a container; may be
	// empty.
	resource corev1.ResourceName
	usage    corev1.ResourceList
}

func predictQuota(q *corev1.ResourceQuota, p *Pod) quotaPrediction {
	hard := hardOf(q)
	usage, tracked := podUsage(p, hard)
	if len(tracked) == 0 || !inScope(q, p) {
		return quotaPrediction{}
	}
	j := quotaPrediction{applies: true, usage: usage}
	if !p.hasPodLevelResources() {
		for _, name := range tracked {
			if container := lacking(p, name); container != "" {
				j.refusal, j.resource = fmt.Sprintf("it requires %s, which container %q does not set", name, container), containerResource(name)
				return j
			}
		}
	}
	if len(q.Status.Hard) == 0 {
		return j
	}
	for _, name := range tracked {
		if _, ok := q.Status.Used[name]; !ok {
			j.refusal, j.resource = fmt.Sprintf("the current usage of %s is not known yet", name), containerResource(name)
			return j
		}
	}
	for _, name := range tracked {
		used, limit, more := q.Status.Used[name], hard[name], usage[name]
		sum := used.DeepCopy()
		sum.Add(more)
		if !more.IsZero() && sum.Cmp(limit) > 0 {
			j.refusal = fmt.Sprintf("%s would exceed the maximum of %s: %s in use, %s more needed", name, limit.String(), used.String(), more.String())
			j.resource = containerResource(name)
			return j
		}
	}
	return j
}

// unknownRoom returns a refusal if a quota without status might refuse the Pod: if the Pod
// enters its scope or uses more.
func unknownRoom(q *corev1.ResourceQuota, was, is *quotaPrediction) (why string, name corev1.ResourceName) {
	for _, tracked := range slices.Sorted(maps.Keys(is.usage)) {
		more, less := is.usage[tracked], was.usage[tracked]
		if more.Cmp(less) > 0 {
			limit := q.Spec.Hard[tracked]
			return fmt.Sprintf("how much %s is left of %s is not known", tracked, limit.String()), containerResource(tracked)
		}
	}
	return "", ""
}

// inScope assumes that scopes which do not depend on the Pod's resources match: fills do not
// change whether they do, so the comparison is valid either way.
func inScope(q *corev1.ResourceQuota, p *Pod) bool {
	scopes := slices.Clone(q.Spec.Scopes)
	if q.Spec.ScopeSelector != nil {
		for _, e := range q.Spec.ScopeSelector.MatchExpressions {
			scopes = append(scopes, e.ScopeName)
		}
	}
	for _, scope := range scopes {
		if scope == corev1.ResourceQuotaScopeBestEffort && !bestEffort(p) ||
			scope == corev1.ResourceQuotaScopeNotBestEffort && bestEffort(p) {
			return false
		}
	}
	return true
}

// bestEffort is ComputePodQOS in pkg/apis/core/v1/helper/qos, restricted to BestEffort:
// Pod-level resources replace those of the containers, and zero counts as not set.
func bestEffort(p *Pod) bool {
	if p.hasPodLevelResources() {
		return noCompute(p.Resources)
	}
	return !slices.ContainsFunc(p.Containers, func(c Container) bool { return !noCompute(&c.Resources) })
}

func noCompute(r *corev1.ResourceRequirements) bool {
	for _, list := range []corev1.ResourceList{r.Requests, r.Limits} {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if q := list[name]; !q.IsZero() {
				return false
			}
		}
	}
	return true
}

// podUsage returns how much of a quota the Pod uses, and which of the quota's resources concern
// Pods.
func podUsage(p *Pod, hard corev1.ResourceList) (usage corev1.ResourceList, tracked []corev1.ResourceName) {
	requests, limits := containerTotals(p.Containers)
	if p.Resources != nil {
		override(requests, p.Resources.Requests)
		override(limits, p.Resources.Limits)
	}
	addTo(requests, p.Overhead)
	for name, q := range p.Overhead {
		if limit, ok := limits[name]; ok && !limit.IsZero() {
			addTo(limits, corev1.ResourceList{name: q})
		}
	}
	usage = corev1.ResourceList{}
	for _, name := range slices.Sorted(maps.Keys(hard)) {
		base := containerResource(name)
		switch {
		case name == corev1.ResourcePods || name == "count/pods":
			usage[name] = *resource.NewQuantity(1, resource.DecimalSI)
		case base == "":
			continue
		case strings.HasPrefix(string(name), "limits."):
			usage[name] = limits[base]
		default:
			usage[name] = requests[base]
		}
		tracked = append(tracked, name)
	}
	return usage, tracked
}

func override(totals, podLevel corev1.ResourceList) {
	for name, q := range podLevel {
		if supportedAtPodLevel(name) {
			totals[name] = q
		}
	}
}

// containerResource returns the resource of containers that a quota's resource counts: cpu for
// cpu, requests.cpu and limits.cpu. It is empty if containers do not use the resource.
func containerResource(name corev1.ResourceName) corev1.ResourceName {
	base, isRequest := strings.CutPrefix(string(name), corev1.DefaultResourceRequestsPrefix)
	base, isLimit := strings.CutPrefix(base, "limits.")
	switch r := corev1.ResourceName(base); {
	case Field{Resource: r}.fillable() && !(isRequest && isLimit):
		return r
	case isHugePages(r) && !isLimit, isRequest && !isLimit && !isNative(r):
		return r
	}
	return ""
}

// lacking returns a container without a value that the quota requires of every container, or
// "". Quotas only require CPU and memory, which Kubernetes' source itself calls a mistake not
// to be repeated.
func lacking(p *Pod, tracked corev1.ResourceName) string {
	base := containerResource(tracked)
	if base != corev1.ResourceCPU && base != corev1.ResourceMemory {
		return ""
	}
	f := requiredField(tracked)
	for i := range p.Containers {
		if c := &p.Containers[i]; !f.isSet(&c.Resources) {
			return c.Name
		}
	}
	return ""
}
