package resources

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// Demand is what a workload asks of the ResourceQuotas of its namespace.
type Demand struct {
	// Pods is what each of its Pods may be: one Pod per outcome of a prediction.
	Pods []Pod
	// Scope of the Pods.
	Scope decision.PodScope
	// Claims that are made for each Pod.
	Claims []decision.Claim
	Count  decision.PodCount
	// Present is what already counts as used, and goes as the new Pods come.
	Present *Present
}

// Present are the Pods that a workload has.
type Present struct {
	Pod   Pod
	Scope decision.PodScope
	Count int64
	// Claims of each of the Pods, and Kept what there is of those that outlive them.
	Claims, Kept []decision.Claim
}

// Shortages are the quotas with too little left for all of a workload's Pods, and those
// that demand a value which its Pods lack; sorted by quota, then by resource.
//
// What is left is what the quota's status says. One without status, from a file or just
// created, is taken to be unused: what does not fit then never will.
func Shortages(d Demand, quotas []*corev1.ResourceQuota) []decision.Shortage {
	var all []decision.Shortage
	for _, q := range sortedByName(quotas) {
		all = append(all, d.shortages(q)...)
	}
	return all
}

// shortages are those of all outcomes; certain are those that every outcome has.
func (d *Demand) shortages(q *corev1.ResourceQuota) []decision.Shortage {
	type key struct{ resource, container, path string }
	var union []decision.Shortage
	outcomes := map[key]int{}
	for i := range d.Pods {
		for _, s := range d.shortagesOf(q, &d.Pods[i]) {
			k := key{s.Resource, s.Container, s.Field}
			if outcomes[k]++; outcomes[k] == 1 {
				union = append(union, s)
			}
		}
	}
	for i := range union {
		s := &union[i]
		s.Certain = outcomes[key{s.Resource, s.Container, s.Field}] == len(d.Pods)
	}
	return union
}

func (d *Demand) shortagesOf(q *corev1.ResourceQuota, p *Pod) []decision.Shortage {
	hard := hardOf(q)
	each, tracked := usageOf(q, p, d.Scope, d.Claims)
	var all []decision.Shortage
	if !p.hasPodLevelResources() {
		for _, name := range tracked {
			if container := lacking(p, name); container != "" {
				all = append(all, decision.Shortage{
					By: byQuota(q), Resource: string(name), When: decision.ShortAlways,
					Container: container, Field: demanded(name).String(),
				})
			}
		}
	}
	returned := d.Present.usage(q)
	for _, name := range slices.Sorted(maps.Keys(each)) {
		left := hard[name].DeepCopy()
		left.Sub(q.Status.Used[name])
		left.Add(returned[name])
		if when, pods := short(d.Count, each[name], left); when != "" {
			needed := times(each[name], pods)
			excess := excessOf(when, needed, left)
			if left.Sign() < 0 {
				left = resource.Quantity{Format: left.Format}
			}
			limit := hard[name]
			all = append(all, decision.Shortage{
				By: byQuota(q), Resource: string(name), When: when, Pods: pods,
				Needed: needed.String(), Left: left.String(), Hard: limit.String(), Excess: excess,
			})
		}
	}
	return all
}

// excessOf is about the Pods that run all the time. That one more does not fit is no worse
// where there are more of them, all of which fit.
func excessOf(when decision.ShortageTime, needed, left resource.Quantity) string {
	switch when {
	case decision.ShortAlways:
		return difference(needed, left)
	case decision.ShortStuck:
		return "0"
	case decision.ShortRollout, decision.ShortScaling:
	}
	return ""
}

func hardOf(q *corev1.ResourceQuota) corev1.ResourceList {
	if len(q.Status.Hard) > 0 {
		return q.Status.Hard
	}
	return q.Spec.Hard
}

func byQuota(q *corev1.ResourceQuota) string { return "ResourceQuota/" + q.Name }

func demanded(tracked corev1.ResourceName) Field {
	return Field{Requests: !strings.HasPrefix(string(tracked), "limits."), Resource: computeOf(tracked)}
}

// usage is all that a quota counts of what is present.
func (p *Present) usage(q *corev1.ResourceQuota) corev1.ResourceList {
	all := corev1.ResourceList{}
	if p == nil {
		return all
	}
	each, _ := usageOf(q, &p.Pod, p.Scope, p.Claims)
	for name, amount := range each {
		all[name] = times(amount, p.Count)
	}
	for name := range hardOf(q) {
		if kept := ofClaims(p.Kept, string(name)); countsClaims(q) && !kept.IsZero() {
			addTo(all, corev1.ResourceList{name: kept})
		}
	}
	return all
}

// short says when there first is too little left, and for how many Pods.
func short(c decision.PodCount, each, left resource.Quantity) (decision.ShortageTime, int64) {
	fits := func(pods int64) bool {
		needed := times(each, pods)
		return pods <= 0 || each.Sign() <= 0 || needed.Cmp(left) <= 0
	}
	switch {
	case !fits(c.Steady):
		return decision.ShortAlways, c.Steady
	case c.Surge > 0 && c.Steady > 0 && c.Unavailable == 0 && !fits(c.Steady+1):
		return decision.ShortStuck, c.Steady + 1
	case c.Surge > 0 && c.Steady > 0 && !fits(c.Steady+c.Surge):
		return decision.ShortRollout, c.Steady + c.Surge
	case !fits(c.Most):
		return decision.ShortScaling, c.Most
	}
	return "", 0
}

func times(q resource.Quantity, n int64) resource.Quantity {
	product := q.DeepCopy()
	product.Mul(n)
	return product
}

// usageOf is what one Pod, with its claims, adds to what a quota counts, and which of the
// quota's resources are about Pods. A quota with a scope counts no claims.
func usageOf(q *corev1.ResourceQuota, p *Pod, scope decision.PodScope, claims []decision.Claim) (each corev1.ResourceList, tracked []corev1.ResourceName) {
	each = corev1.ResourceList{}
	if within(scope, q) && inScope(q, p) {
		each, tracked = consumption(p, hardOf(q))
	}
	if countsClaims(q) {
		for name := range hardOf(q) {
			if amount := ofClaims(claims, string(name)); !amount.IsZero() {
				each[name] = amount
			}
		}
	}
	return each, tracked
}

func countsClaims(q *corev1.ResourceQuota) bool {
	return len(q.Spec.Scopes) == 0 && q.Spec.ScopeSelector == nil
}

// ofClaims follows the evaluator of PersistentVolumeClaims (pkg/quota/v1/evaluator/core):
// all claims together, and those of one class.
func ofClaims(claims []decision.Claim, name string) resource.Quantity {
	class, base, ofClass := strings.Cut(name, ".storageclass.storage.k8s.io/")
	if !ofClass {
		base = strings.TrimPrefix(name, "count/")
	}
	var sum resource.Quantity
	for i := range claims {
		c := &claims[i]
		if ofClass && (c.StorageClass == nil || *c.StorageClass != class) {
			continue
		}
		switch base {
		case string(corev1.ResourcePersistentVolumeClaims):
			sum.Add(*resource.NewQuantity(1, resource.DecimalSI))
		case string(corev1.ResourceRequestsStorage):
			sum.Add(c.Requests[corev1.ResourceStorage])
		}
	}
	return sum
}
