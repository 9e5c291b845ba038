package resources

import (
	"fmt"
	"math/big"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// fitting is a Pod under every order of the LimitRanges, as it is before any fill. Fills
// only go where no LimitRange has a default, so they change none of these defaults, and
// the outcomes with fills are these Pods with fills, one by one.
type fitting struct {
	forecast
	before []standing
}

// standing is what is wrong with a Pod under one order.
type standing struct {
	refusals map[refusalReason]bool
	invalid  []Fault
}

// refusalReason tells a missing value from a wrong one: a Pod that was refused for want of
// a limit is not to be refused for a limit that its writer never wrote.
type refusalReason struct {
	refusalKey
	absent bool
}

// judge looks at the Pod without fills, once.
func (f *fitting) judge() {
	f.before = make([]standing, len(f.pods))
	for i := range f.pods {
		stored := withPodLevelDefaults(f.pods[i])
		f.before[i] = standing{refusals: map[refusalReason]bool{}, invalid: invalid(&stored)}
		for _, v := range violations(&stored, f.ranges) {
			f.before[i].refusals[refusalReason{keyOf(v.Refusal), v.absent}] = true
		}
	}
}

// with is the Pod of an outcome with values filled in, after API defaulting.
func (f *fitting) with(outcome int, values map[slot]resource.Quantity) Pod {
	p := f.pods[outcome]
	p.Containers = slices.Clone(p.Containers)
	for at, value := range values {
		r := &p.Containers[at.container].Resources
		list := at.field.in(r)
		*list = withMissing(*list, corev1.ResourceList{at.field.Resource: value})
	}
	return Default(p)
}

// harm says what refuses the Pod with the values that did not refuse it without.
func (f *fitting) harm(values map[slot]resource.Quantity) string {
	for i := range f.pods {
		stored := withPodLevelDefaults(f.with(i, values))
		for _, v := range violations(&stored, f.ranges) {
			if f.before[i].refusals[refusalReason{keyOf(v.Refusal), v.absent}] {
				continue
			}
			if v.Container != "" {
				return fmt.Sprintf("container %q: %s (%s)", v.Container, v.Message, v.By)
			}
			return fmt.Sprintf("%s (%s)", v.Message, v.By)
		}
		for _, fault := range invalid(&stored) {
			if !slices.Contains(f.before[i].invalid, fault) {
				return fault.String()
			}
		}
	}
	return ""
}

// choose picks values for a gap, given what is filled already. The container's own
// request is never changed: a limit is raised to it, and kept within the ratio to it.
// Where both are chosen, a request over the limit is lowered, and a limit over the ratio.
//
// There is no min or max of a Container item to keep within: either would have brought a
// default, and there would be no gap (see the package comment).
func (f *fitting) choose(g *gap, filled map[slot]resource.Quantity) map[slot]resource.Quantity {
	values := map[slot]resource.Quantity{}
	if g.limit == nil {
		if g.request != nil {
			values[g.requestSlot()] = *g.request
		}
		return values
	}
	limit := *g.limit
	smallest, largest, ok := f.requests(g, filled)
	switch {
	case ok:
		limit = f.atMostRatio(limit, smallest, g.resource)
		if less(limit, largest) {
			limit = largest
		}
	case g.request != nil:
		request := *g.request
		if less(limit, request) {
			request = limit
		}
		limit = f.atMostRatio(limit, request, g.resource)
		values[g.requestSlot()] = request
	}
	values[g.limitSlot()] = limit
	return values
}

// requests are the smallest and largest request that the container has, over the orders.
func (f *fitting) requests(g *gap, filled map[slot]resource.Quantity) (smallest, largest resource.Quantity, ok bool) {
	if q, ok := filled[g.requestSlot()]; ok {
		return q, q, true
	}
	for i := range f.pods {
		q, set := f.pods[i].Containers[g.container].Resources.Requests[g.resource]
		if !set {
			return smallest, largest, false
		}
		if i == 0 || less(q, smallest) {
			smallest = q
		}
		if i == 0 || less(largest, q) {
			largest = q
		}
	}
	return smallest, largest, true
}

// less takes copies: Cmp changes its receiver into another form of the same amount, and in
// sums that are too large for thousandths or negative the form decides how they are
// rounded. What was judged has to be what is filled in.
func less(a, b resource.Quantity) bool { return a.Cmp(b) < 0 }

// atMostRatio lowers a limit into every maxLimitRequestRatio of Container items. Quantities
// too large to count in thousandths are left to the final check, which drops them. All but
// CPU comes in whole units.
func (f *fitting) atMostRatio(limit, request resource.Quantity, name corev1.ResourceName) resource.Quantity {
	for i := range f.ranges {
		for _, it := range f.ranges[i].items {
			if it.limitType != corev1.LimitTypeContainer {
				continue
			}
			for _, b := range it.bounds {
				if b.kind == boundRatio && b.resource == name {
					limit = inRatio(limit, request, b.value, name != corev1.ResourceCPU)
				}
			}
		}
	}
	return limit
}

func inRatio(limit, request, ratio resource.Quantity, whole bool) resource.Quantity {
	requested, limited, bounded := atOnePrecision(&request, &limit, &ratio)
	if requested <= 0 || !overRatio(requested, limited, &ratio) || bounded != ratio.MilliValue() {
		return limit
	}
	product := new(big.Int).Mul(big.NewInt(requested), big.NewInt(bounded))
	milli := product.Quo(product, big.NewInt(1000)).Int64() // under limited, so no overflow
	if overRatio(requested, milli, &ratio) {
		milli-- // the product is exact, the plugin's division is not
	}
	if floor := milli - milli%1000; whole && floor >= requested {
		return *resource.NewQuantity(floor/1000, limit.Format)
	}
	return *resource.NewMilliQuantity(milli, resource.DecimalSI)
}
