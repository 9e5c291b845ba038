package resources

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// Demand is what a workload needs from the ResourceQuotas of its namespace.
type Demand struct {
	// Pods has the possible forms of each Pod: one per outcome of a prediction.
	Pods []Pod
	// Scope is the scope of the Pods.
	Scope decision.PodScope
	// Claims are created for each Pod.
	Claims []decision.Claim
	Count  decision.PodCount
	// Current is the usage that the quota counts already, and that new Pods replace.
	Current *Current
}

// Current has the Pods that a workload has now.
type Current struct {
	Pod   Pod
	Scope decision.PodScope
	Count int64
	// Claims are those of each Pod. Retained are existing claims that outlive the Pods.
	Claims, Retained []decision.Claim
}

// Shortages returns the quotas that cannot accommodate all of a workload's Pods, or that
// require a value which the Pods lack. They are sorted by quota and resource.
//
// The remaining amount is computed from the quota's status. A quota without status, from a file
// or just created, is assumed to be unused: what does not fit then never will.
func Shortages(d Demand, quotas []*corev1.ResourceQuota) []decision.Shortage {
	var all []decision.Shortage
	for _, q := range sortedByName(quotas) {
		all = append(all, d.shortages(q)...)
	}
	return all
}

// shortages returns the shortages of all outcomes. Those that every outcome has are certain.
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
					Container: container, Field: requiredField(name).String(),
				})
			}
		}
	}
	returned := d.Current.usage(q)
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

// excessOf returns the excess of Pods that run permanently. If only a surge Pod does not fit,
// the number of other Pods, which fit, does not matter.
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

func requiredField(tracked corev1.ResourceName) Field {
	return Field{Requests: !strings.HasPrefix(string(tracked), "limits."), Resource: containerResource(tracked)}
}

// usage returns what a quota counts of the current Pods and claims.
func (p *Current) usage(q *corev1.ResourceQuota) corev1.ResourceList {
	all := corev1.ResourceList{}
	if p == nil {
		return all
	}
	each, _ := usageOf(q, &p.Pod, p.Scope, p.Claims)
	for name, amount := range each {
		all[name] = times(amount, p.Count)
	}
	for name := range hardOf(q) {
		if kept := claimUsage(p.Retained, string(name)); countsClaims(q) && !kept.IsZero() {
			addTo(all, corev1.ResourceList{name: kept})
		}
	}
	return all
}

// short returns the first situation in which left is insufficient, and the number of Pods then.
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
	case !fits(c.Max):
		return decision.ShortScaling, c.Max
	}
	return "", 0
}

func times(q resource.Quantity, n int64) resource.Quantity {
	product := q.DeepCopy()
	product.Mul(n)
	return product
}

// usageOf returns what one Pod with its claims adds to a quota's usage, and which of the
// quota's resources concern Pods. A quota with a scope counts no claims.
func usageOf(q *corev1.ResourceQuota, p *Pod, scope decision.PodScope, claims []decision.Claim) (each corev1.ResourceList, tracked []corev1.ResourceName) {
	each = corev1.ResourceList{}
	if matchesScopes(scope, q) && inScope(q, p) {
		each, tracked = podUsage(p, hardOf(q))
	}
	if countsClaims(q) {
		for name := range hardOf(q) {
			if amount := claimUsage(claims, string(name)); !amount.IsZero() {
				each[name] = amount
			}
		}
	}
	return each, tracked
}

func countsClaims(q *corev1.ResourceQuota) bool {
	return len(q.Spec.Scopes) == 0 && q.Spec.ScopeSelector == nil
}

// claimUsage counts claims as the evaluator in pkg/quota/v1/evaluator/core does: of all classes
// or of one.
func claimUsage(claims []decision.Claim, name string) resource.Quantity {
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
