package resources

import (
	"fmt"
	"math/big"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// filler has a Pod under every order of the LimitRanges, before any fill. Fills are only set
// where no LimitRange has a default, so they do not affect the defaults, and each outcome with
// fills is one of these Pods with the fills added.
type filler struct {
	defaulted
	baselines []baseline
}

// baseline has the reasons for refusing a Pod without fills under one order.
type baseline struct {
	refusals map[refusalReason]bool
	invalid  []Fault
}

// refusalReason distinguishes a missing value from a wrong one: a Pod that is refused because
// it has no limit must not be refused because of a limit that its writer did not set.
type refusalReason struct {
	refusalKey
	absent bool
}

// predictBaselines predicts the refusals of the Pod without fills.
func (f *filler) predictBaselines() {
	f.baselines = make([]baseline, len(f.pods))
	for i := range f.pods {
		stored := withPodLevelDefaults(f.pods[i])
		f.baselines[i] = baseline{refusals: map[refusalReason]bool{}, invalid: invalid(&stored)}
		for _, v := range violations(&stored, f.ranges) {
			f.baselines[i].refusals[refusalReason{keyOf(v.Refusal), v.absent}] = true
		}
	}
}

// with returns the Pod of an outcome with values filled in and API defaults set.
func (f *filler) with(outcome int, values map[containerField]resource.Quantity) Pod {
	p := f.pods[outcome]
	p.Containers = slices.Clone(p.Containers)
	for at, value := range values {
		r := &p.Containers[at.container].Resources
		list := at.field.in(r)
		*list = withMissing(*list, corev1.ResourceList{at.field.Resource: value})
	}
	return APIDefaults(p)
}

// newRefusal returns a reason for refusing the Pod with the values that does not apply without
// them, or "".
func (f *filler) newRefusal(values map[containerField]resource.Quantity) string {
	for i := range f.pods {
		stored := withPodLevelDefaults(f.with(i, values))
		for _, v := range violations(&stored, f.ranges) {
			if f.baselines[i].refusals[refusalReason{keyOf(v.Refusal), v.absent}] {
				continue
			}
			if v.Container != "" {
				return fmt.Sprintf("container %q: %s (%s)", v.Container, v.Message, v.By)
			}
			return fmt.Sprintf("%s (%s)", v.Message, v.By)
		}
		for _, fault := range invalid(&stored) {
			if !slices.Contains(f.baselines[i].invalid, fault) {
				return fault.String()
			}
		}
	}
	return ""
}

// choose returns values for a gap, given those filled already. It never changes the container's
// own request: it raises a limit to the request, and lowers it to the maximum ratio. If both
// are filled, it lowers a request to the limit, and a limit to the ratio.
//
// No min or max of a Container item applies: it would have implied a default, and there would
// be no gap (see the package documentation).
func (f *filler) choose(g *gap, filled map[containerField]resource.Quantity) map[containerField]resource.Quantity {
	values := map[containerField]resource.Quantity{}
	if g.limit == nil {
		if g.request != nil {
			values[g.requestField()] = *g.request
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
		values[g.requestField()] = request
	}
	values[g.limitField()] = limit
	return values
}

// requests returns the smallest and the largest request of the container over all orders.
func (f *filler) requests(g *gap, filled map[containerField]resource.Quantity) (smallest, largest resource.Quantity, ok bool) {
	if q, ok := filled[g.requestField()]; ok {
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

// less compares copies: Cmp changes the representation of its receiver, which affects rounding
// in sums that are negative or too large for thousandths. The value that is filled must be
// exactly the one that was checked.
func less(a, b resource.Quantity) bool { return a.Cmp(b) < 0 }

// atMostRatio lowers a limit to satisfy every maxLimitRequestRatio of Container items. It
// leaves quantities too large to count in thousandths to newRefusal, which rejects them. It
// uses whole units except for CPU.
func (f *filler) atMostRatio(limit, request resource.Quantity, name corev1.ResourceName) resource.Quantity {
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
	milli := product.Quo(product, big.NewInt(1000)).Int64() // less than limited, so no overflow
	if overRatio(requested, milli, &ratio) {
		milli-- // the product is exact, the plugin's division is not
	}
	if floor := milli - milli%1000; whole && floor >= requested {
		return *resource.NewQuantity(floor/1000, limit.Format)
	}
	return *resource.NewMilliQuantity(milli, resource.DecimalSI)
}
