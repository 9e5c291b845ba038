package resources

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// LimitRanger applies LimitRanges in the order of an informer's index, which is random. The
// first one that has a default for a missing field sets it in every container that lacks it. So
// the order matters only if several LimitRanges have different defaults for a missing field,
// and only the first of them counts.
//
// If at most maxPermuted LimitRanges matter, all their orders are tried, so the outcomes are
// complete. Otherwise, the orders tried are those with each pair of them in front. Because
// bounds and validation concern one resource, and so two fields, at a time, these still show
// everything that can happen to a resource: if a supplies the request and b the limit in some
// order, they do so in "a, b, …" or in "b, a, …". Each order tried is possible, so agreement
// and refusals are exact, although not every combination across resources is listed. Beyond
// maxPaired, only LimitRanges with the smallest or largest value of a field are put in front,
// and at most maxOrders orders are tried: CPU and memory remain exact for each field on its
// own, a ratio between two defaults of one LimitRange may be missed, and no refusal is reported
// as certain.
const (
	maxPermuted = 5
	maxPaired   = 16
	maxOrders   = 512
)

// contested is a field that a container lacks and for which LimitRanges have defaults.
type contested struct {
	field Field
	// values has the different defaults.
	values []resource.Quantity
	// offers has, for each LimitRange, the index of its default in values, or -1.
	offers []int
}

// defaultSets returns the different sets of defaults that orders of the LimitRanges produce, at
// least one. exact reports whether they show all possible refusals.
func defaultSets(p *Pod, ranges []limitRange) (sets []corev1.ResourceRequirements, exact bool) {
	switch len(ranges) {
	case 0:
		return make([]corev1.ResourceRequirements, 1), true
	case 1:
		return []corev1.ResourceRequirements{ranges[0].defaults}, true
	}
	var settled corev1.ResourceRequirements
	var open []*contested
	for _, c := range contests(p, ranges) {
		if len(c.values) == 1 {
			put(&settled, c.field, c.values[0])
		} else {
			open = append(open, c)
		}
	}
	if len(open) == 0 {
		return []corev1.ResourceRequirements{settled}, true
	}
	seen := map[string]bool{}
	orders, exact := ordersOf(open)
	for order := range orders {
		var signature []byte
		set := corev1.ResourceRequirements{Requests: grown(settled.Requests, len(open)), Limits: grown(settled.Limits, len(open))}
		for _, c := range open {
			i := c.first(order)
			signature = binary.AppendUvarint(signature, uint64(i))
			put(&set, c.field, c.values[i])
		}
		if !seen[string(signature)] {
			seen[string(signature)] = true
			sets = append(sets, set)
		}
	}
	return sets, exact
}

// contests returns the fields sorted by resource, limits before requests.
func contests(p *Pod, ranges []limitRange) []*contested {
	byField := map[Field]*contested{}
	add := func(f Field, list corev1.ResourceList, i int) {
		for name, value := range list {
			f.Resource = name
			c := byField[f]
			if c == nil {
				if !p.misses(f) {
					continue
				}
				c = &contested{field: f, offers: slices.Repeat([]int{-1}, len(ranges))}
				byField[f] = c
			}
			at := slices.IndexFunc(c.values, func(q resource.Quantity) bool { return q.Cmp(value) == 0 })
			if at < 0 {
				at = len(c.values)
				c.values = append(c.values, value)
			}
			c.offers[i] = at
		}
	}
	for i := range ranges {
		add(Field{Requests: true}, ranges[i].defaults.Requests, i)
		add(Field{}, ranges[i].defaults.Limits, i)
	}
	all := make([]*contested, 0, len(byField))
	for _, c := range byField {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *contested) int {
		return cmp.Or(cmp.Compare(a.field.Resource, b.field.Resource), cmp.Compare(a.field.String(), b.field.String()))
	})
	return all
}

func (p *Pod) misses(f Field) bool {
	return slices.ContainsFunc(p.Containers, func(c Container) bool { return !f.isSet(&c.Resources) })
}

func put(r *corev1.ResourceRequirements, f Field, q resource.Quantity) {
	list := f.in(r)
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[f.Resource] = q
}

// first returns the index of the value that an order of LimitRanges produces. Every order
// contains all LimitRanges with a default for the field.
func (c *contested) first(order []int) int {
	return c.offers[order[slices.IndexFunc(order, func(r int) bool { return c.offers[r] >= 0 })]]
}

// ordersOf returns the orders to try of the LimitRanges that matter. exact reports whether they
// show all possible refusals.
func ordersOf(open []*contested) (orders iter.Seq[[]int], exact bool) {
	var involved []int
	for r := range open[0].offers {
		if slices.ContainsFunc(open, func(c *contested) bool { return c.offers[r] >= 0 }) {
			involved = append(involved, r)
		}
	}
	switch {
	case len(involved) <= maxPermuted:
		return permutations(involved), true
	case len(involved) <= maxPaired:
		return pairsInFront(involved, involved), true
	default:
		return pairsInFront(extremes(open), involved), false
	}
}

// permutations yields all orders in lexicographic order. It reuses one slice.
func permutations(items []int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		order := slices.Clone(items)
		for {
			if !yield(order) {
				return
			}
			i := len(order) - 2
			for i >= 0 && order[i] > order[i+1] {
				i--
			}
			if i < 0 {
				return
			}
			j := len(order) - 1
			for order[j] < order[i] {
				j--
			}
			order[i], order[j] = order[j], order[i]
			slices.Reverse(order[i+1:])
		}
	}
}

func pairsInFront(front, all []int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		n := 0
		for shift := 1; shift < len(front); shift++ { // puts each one in front early
			for i := range front {
				a, b := front[i], front[(i+shift)%len(front)]
				// That the two come again makes no difference.
				if n == maxOrders || !yield(append([]int{a, b}, all...)) {
					return
				}
				n++
			}
		}
	}
}

// extremes returns the LimitRanges with the smallest and the largest default of each field. For
// a request, it also considers only those without a default limit, because another LimitRange's
// limit can only be combined with these.
func extremes(open []*contested) []int {
	var found []int
	for _, c := range open {
		found = append(found, c.extremes(func(int) bool { return true })...)
		for _, limit := range open {
			if c.field.Requests && limit.field == (Field{Resource: c.field.Resource}) {
				found = append(found, c.extremes(func(r int) bool { return limit.offers[r] < 0 })...)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func (c *contested) extremes(among func(int) bool) []int {
	smallest, largest := -1, -1
	for r, offer := range c.offers {
		if offer < 0 || !among(r) {
			continue
		}
		if smallest < 0 || c.values[offer].Cmp(c.values[c.offers[smallest]]) < 0 {
			smallest = r
		}
		if largest < 0 || c.values[offer].Cmp(c.values[c.offers[largest]]) > 0 {
			largest = r
		}
	}
	if smallest < 0 {
		return nil
	}
	return []int{smallest, largest}
}
