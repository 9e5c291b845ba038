package resources

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// keepQuotas takes back fills that would make a ResourceQuota refuse a Pod that it admits
// without them.
//
// Under most quotas a fill cannot: a quota on CPU or memory refuses every Pod with a
// container that lacks the value, so a Pod with a gap is refused already, and filling it
// can only help. What remains, and is found by judging each quota before and after as
// the ResourceQuota plugin does (CheckRequest in k8s.io/apiserver, the Pod evaluator in
// pkg/quota/v1/evaluator/core):
//
//   - The Pod is BestEffort, and with CPU or memory set enters quotas with the scope
//     NotBestEffort, where a Pod too many, too much of a resource, or a resource that is
//     still missing is refused. All fills of CPU and memory are taken back.
//   - The Pod has Pod-level resources: then no container needs any, and a fill of another
//     resource adds to what is used. So does ephemeral storage, which quotas never
//     demand. All fills of that resource are taken back.
//
// Where a Pod's priority class, deadline or affinity decides whether a quota is its own,
// the quota is taken to be. A quota without status, from a file or just created, is taken
// to have no room to spare. status.used is as old as the informer that brought it: a Pod
// admitted meanwhile may have taken the room that this one was filled for.
func (f *fitting) keepQuotas(filled map[slot]resource.Quantity, quotas []*corev1.ResourceQuota, reasons refused) {
	quotas = sortedByName(quotas)
	for i := 0; i < len(quotas) && len(filled) > 0; {
		why, name := f.quotaHarm(quotas[i], filled)
		if why == "" {
			i++
			continue
		}
		for at := range filled {
			if at.field.Resource == name || name == "" && at.field.Resource != corev1.ResourceEphemeralStorage {
				delete(filled, at)
				reasons.slots[at] = why
			}
		}
		i = 0 // less may be wrong in another way
	}
}

// quotaHarm says why the quota refuses the Pod with the values and not without, and which
// resource is to blame; none in particular where the Pod entered the quota's scope.
func (f *fitting) quotaHarm(q *corev1.ResourceQuota, values map[slot]resource.Quantity) (why string, name corev1.ResourceName) {
	for i := range f.pods {
		before, after := withPodLevelDefaults(f.pods[i]), withPodLevelDefaults(f.with(i, values))
		was, is := judge(q, &before), judge(q, &after)
		if !is.applies || was.applies && was.refusal != "" {
			continue
		}
		if is.refusal == "" && len(q.Status.Hard) == 0 {
			is.refusal, is.resource = unknownRoom(q, &was, &is)
		}
		switch {
		case is.refusal == "":
		case !was.applies:
			return fmt.Sprintf("with cpu or memory set, the Pod would come under ResourceQuota/%s, which is for Pods that are not BestEffort: %s", q.Name, is.refusal), ""
		default:
			return fmt.Sprintf("ResourceQuota/%s: %s", q.Name, is.refusal), is.resource
		}
	}
	return "", ""
}

// judgment is what a quota makes of a Pod.
type judgment struct {
	applies bool
	refusal string
	// resource that the refusal is about, as a container names it; may be empty.
	resource corev1.ResourceName
	usage    corev1.ResourceList
}

func judge(q *corev1.ResourceQuota, p *Pod) judgment {
	hard := hardOf(q)
	usage, tracked := consumption(p, hard)
	if len(tracked) == 0 || !inScope(q, p) {
		return judgment{}
	}
	j := judgment{applies: true, usage: usage}
	if !p.hasPodLevelResources() {
		for _, name := range tracked {
			if container := lacking(p, name); container != "" {
				j.refusal, j.resource = fmt.Sprintf("it demands %s, which container %q does not set", name, container), computeOf(name)
				return j
			}
		}
	}
	if len(q.Status.Hard) == 0 {
		return j
	}
	for _, name := range tracked {
		if _, ok := q.Status.Used[name]; !ok {
			j.refusal, j.resource = fmt.Sprintf("how much of %s is used is not known yet", name), computeOf(name)
			return j
		}
	}
	for _, name := range tracked {
		used, limit, more := q.Status.Used[name], hard[name], usage[name]
		sum := used.DeepCopy()
		sum.Add(more)
		if !more.IsZero() && sum.Cmp(limit) > 0 {
			j.refusal = fmt.Sprintf("%s %s would be added to %s, and %s is the most", name, more.String(), used.String(), limit.String())
			j.resource = computeOf(name)
			return j
		}
	}
	return j
}

// unknownRoom refuses what a quota without status might refuse: a Pod that is new to it,
// or one that uses more.
func unknownRoom(q *corev1.ResourceQuota, was, is *judgment) (why string, name corev1.ResourceName) {
	for _, tracked := range slices.Sorted(maps.Keys(is.usage)) {
		more, less := is.usage[tracked], was.usage[tracked]
		if more.Cmp(less) > 0 {
			limit := q.Spec.Hard[tracked]
			return fmt.Sprintf("how much of %s is left of %s is not known", tracked, limit.String()), computeOf(tracked)
		}
	}
	return "", ""
}

// inScope takes scopes that the Pod's resources do not decide for met: they are met, or
// not, with fills and without, and in either case the comparison stays sound.
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

// bestEffort is ComputePodQOS in pkg/apis/core/v1/helper/qos, as far as it concerns
// BestEffort: Pod-level resources decide alone where there are any, and zero is nothing.
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

// consumption is what the Pod takes of a quota, and which of its resources are about Pods.
func consumption(p *Pod, hard corev1.ResourceList) (usage corev1.ResourceList, tracked []corev1.ResourceName) {
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
		base := computeOf(name)
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

// computeOf is the resource of containers behind a quota's name for it: cpu for cpu,
// requests.cpu and limits.cpu. It is empty for what containers do not consume.
func computeOf(name corev1.ResourceName) corev1.ResourceName {
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

// lacking names a container without a value that a quota demands of all, if any: CPU and
// memory only, which Kubernetes itself calls a mistake not to be repeated.
func lacking(p *Pod, tracked corev1.ResourceName) string {
	base := computeOf(tracked)
	if base != corev1.ResourceCPU && base != corev1.ResourceMemory {
		return ""
	}
	f := demanded(tracked)
	for i := range p.Containers {
		if c := &p.Containers[i]; !f.isSet(&c.Resources) {
			return c.Name
		}
	}
	return ""
}
