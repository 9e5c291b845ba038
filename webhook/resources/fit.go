package resources

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Wish is a value that somebody wants to be set where none is.
type Wish struct {
	Container string
	Field     Field
	Value     resource.Quantity
}

// Fill is a value to set.
type Fill struct {
	Container string
	Field     Field
	Value     resource.Quantity
}

// Unfilled is a gap that stays.
type Unfilled struct {
	Wish
	// Reason is for whoever is on call.
	Reason string
}

// Fit turns wishes into values that can be set on the Pod, in the order of the wishes.
//
// A wish is dropped without a word where the field has a value after API and LimitRange
// defaults, or where the Pod sets the resource at Pod level. Every other wish becomes a
// fill or is reported.
//
// No fill makes the LimitRanges, validation or a quota refuse the Pod under any order of
// the LimitRanges under which they would have admitted it. A Pod that they refuse anyway
// is filled as long as that adds no reason. Filling the filled Pod again does nothing.
//
// The fills suit the Pod once LimitRanger has been through it, as at a webhook. Written
// into a template, a limit would become the request before a default request can land.
//
// After a patch the API server defaults again, so a limit that is filled where there is
// no request is a request too, and is judged as such.
func Fit(p Pod, wishes []Wish, ranges []*corev1.LimitRange, quotas []*corev1.ResourceQuota) (fills []Fill, unfilled []Unfilled) {
	if len(wishes) == 0 {
		return nil, nil
	}
	f := &fitting{forecast: foresee(p, readRanges(ranges))}
	open, reasons := f.gaps(wishes)
	filled := map[slot]resource.Quantity{}
	if len(open) > 0 {
		f.judge()
		for _, name := range slices.Sorted(maps.Keys(open)) {
			maps.Copy(filled, f.settle(open[name], reasons))
		}
		f.keepQuotas(filled, quotas, reasons)
	}

	told := map[slot]bool{}
	for i, w := range wishes {
		if reason, ok := reasons.wishes[i]; ok {
			unfilled = append(unfilled, Unfilled{Wish: w, Reason: reason})
			continue
		}
		at, ok := f.slotOf(w)
		if !ok || told[at] {
			continue
		}
		told[at] = true
		if value, ok := filled[at]; ok {
			fills = append(fills, Fill{Container: w.Container, Field: w.Field, Value: value})
		} else if reason, ok := reasons.slots[at]; ok {
			unfilled = append(unfilled, Unfilled{Wish: w, Reason: reason})
		}
	}
	return fills, unfilled
}

// slot is a field of the container with that index.
type slot struct {
	container int
	field     Field
}

// gap is what is wished for one resource of one container that has none; a nil wish is no
// wish. Request is nil too where the container has one already.
type gap struct {
	container      int
	resource       corev1.ResourceName
	request, limit *resource.Quantity
}

func (g *gap) requestSlot() slot {
	return slot{g.container, Field{Requests: true, Resource: g.resource}}
}
func (g *gap) limitSlot() slot { return slot{g.container, Field{Resource: g.resource}} }

// refused is why wishes are not filled: single ones, or whichever is for a slot.
type refused struct {
	wishes map[int]string
	slots  map[slot]string
}

// slotOf finds the field that a wish is for.
func (f *fitting) slotOf(w Wish) (slot, bool) {
	for i, c := range f.pods[0].Containers {
		if c.Name == w.Container {
			return slot{i, w.Field}, true
		}
	}
	return slot{}, false
}

// gaps sorts the wishes by resource and container, and refuses those that make no sense.
// One outcome is enough to look at: all set the same fields.
func (f *fitting) gaps(wishes []Wish) (map[corev1.ResourceName][]*gap, refused) {
	p := &f.pods[0]
	no := refused{wishes: map[int]string{}, slots: map[slot]string{}}
	wished := map[slot]*resource.Quantity{}
	open := map[corev1.ResourceName][]*gap{}
	for i, w := range wishes {
		at, found := f.slotOf(w)
		value := w.Value.DeepCopy()
		value.RoundUp(resource.Milli)
		switch {
		case !w.Field.fillable():
			no.wishes[i] = "only cpu, memory and ephemeral-storage are filled in"
		case !found:
			no.wishes[i] = "the Pod has no container of that name that can have resources"
		case p.setsAtPodLevel(w.Field.Resource), w.Field.isSet(&p.Containers[at.container].Resources):
			// set: nothing to do and nothing to say
		case value.Sign() < 0:
			no.wishes[i] = fmt.Sprintf("%s is negative", w.Value.String())
		case wished[at] == nil:
			wished[at] = &value
			list := open[w.Field.Resource]
			k := slices.IndexFunc(list, func(g *gap) bool { return g.container == at.container })
			if k < 0 {
				list = append(list, &gap{container: at.container, resource: w.Field.Resource})
				open[w.Field.Resource], k = list, len(list)-1
			}
			if w.Field.Requests {
				list[k].request = &value
			} else {
				list[k].limit = &value
			}
		case wished[at].Cmp(value) != 0:
			no.wishes[i] = fmt.Sprintf("%s is wished for the same field", wished[at].String())
		}
	}
	for _, list := range open {
		slices.SortFunc(list, func(a, b *gap) int { return a.container - b.container })
	}
	return open, no
}

// maxSettled is the most gaps of one resource that are tried one by one where all of
// them together do harm. Each try looks at the whole Pod.
const maxSettled = 64

// unset begins a reason that is what filling would lead to.
const unset = "not set: "

// settle fills the gaps of one resource. All together come first, as totals may need them
// all. Else one after the other, the request alone where the limit is what is refused;
// and again, as long as something was filled, since with another request in the total a
// ratio may have room. The last round changes nothing, which is why a second Fit, whose
// first round it is, fills nothing either.
func (f *fitting) settle(open []*gap, reasons refused) map[slot]resource.Quantity {
	filled := map[slot]resource.Quantity{}
	for progress := true; progress && len(open) > 0; {
		progress = false
		all := map[slot]resource.Quantity{}
		for _, g := range open {
			maps.Copy(all, f.choose(g, filled))
		}
		why := f.harm(merged(filled, all))
		if why == "" {
			return merged(filled, all)
		}
		if len(open) > maxSettled {
			for at := range all {
				reasons.slots[at] = unset + why
			}
			return filled
		}
		for _, g := range open {
			for _, values := range offers(g, f.choose(g, filled)) {
				next := merged(filled, values)
				why := f.harm(next)
				if why == "" {
					filled, progress = next, true
					break
				}
				for at := range values {
					reasons.slots[at] = unset + why
				}
			}
			if _, ok := filled[g.requestSlot()]; ok {
				g.request = nil
			}
			if _, ok := filled[g.limitSlot()]; ok {
				g.limit = nil
			}
		}
		open = slices.DeleteFunc(open, func(g *gap) bool { return g.request == nil && g.limit == nil })
	}
	return filled
}

// offers are what to try for a gap, most wanted first. A limit alone is none where a
// request is wished as well: it would become the request, larger than anybody wished.
func offers(g *gap, values map[slot]resource.Quantity) []map[slot]resource.Quantity {
	if len(values) < 2 {
		return []map[slot]resource.Quantity{values}
	}
	return []map[slot]resource.Quantity{values, {g.requestSlot(): values[g.requestSlot()]}}
}

func merged(a, b map[slot]resource.Quantity) map[slot]resource.Quantity {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}
