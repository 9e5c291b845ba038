package oracle

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/test/podgen"
)

// shrink removes whatever a failing pair does not need in order to fail.
func shrink(p podgen.Pair) (podgen.Pair, error) {
	_, err := compare(p)
	for smaller := true; smaller; {
		smaller = false
		for step := 0; ; step++ {
			candidate := clone(p)
			if !without(&candidate, step) {
				break
			}
			if _, why := compare(candidate); why != nil && asYAML(candidate) != asYAML(p) {
				p, err, smaller = candidate, why, true
				step--
			}
		}
	}
	return p, err
}

func clone(p podgen.Pair) podgen.Pair {
	c := podgen.Pair{Pod: p.Pod.DeepCopy(), Claim: p.Claim.DeepCopy(), Wishes: map[string]corev1.ResourceRequirements{}}
	for _, r := range p.Ranges {
		c.Ranges = append(c.Ranges, r.DeepCopy())
	}
	for name, r := range p.Wishes {
		c.Wishes[name] = *r.DeepCopy()
	}
	return c
}

// without makes the pair smaller in one way, and reports whether there is a way with that number.
func without(p *podgen.Pair, step int) bool {
	is := func() bool { step--; return step == -1 }
	for i := range p.Ranges {
		if is() {
			p.Ranges = slices.Delete(p.Ranges, i, i+1)
			return true
		}
	}
	for _, r := range p.Ranges {
		for i := range r.Spec.Limits {
			if is() {
				r.Spec.Limits = slices.Delete(r.Spec.Limits, i, i+1)
				return true
			}
		}
	}
	spec := &p.Pod.Spec
	for i := range spec.InitContainers {
		if is() {
			spec.InitContainers = slices.Delete(spec.InitContainers, i, i+1)
			return true
		}
	}
	if len(spec.Containers) > 1 { // a Pod without containers is invalid for other reasons
		for i := range spec.Containers {
			if is() {
				spec.Containers = slices.Delete(spec.Containers, i, i+1)
				return true
			}
		}
	}
	if spec.Resources != nil && is() {
		spec.Resources = nil
		return true
	}
	for _, name := range slices.Sorted(maps.Keys(p.Wishes)) {
		if is() {
			delete(p.Wishes, name)
			return true
		}
	}
	for _, list := range lists(p) {
		for _, name := range slices.Sorted(maps.Keys(list)) {
			if is() {
				delete(list, name)
				return true
			}
			if is() {
				list[name] = resource.MustParse("1")
				return true
			}
		}
	}
	return false
}

// lists returns all lists of quantities in the pair.
func lists(p *podgen.Pair) []corev1.ResourceList {
	all := []corev1.ResourceList{p.Claim, p.Pod.Spec.Overhead}
	for _, r := range p.Ranges {
		for _, it := range r.Spec.Limits {
			all = append(all, it.Min, it.Max, it.Default, it.DefaultRequest, it.MaxLimitRequestRatio)
		}
	}
	for _, c := range slices.Concat(p.Pod.Spec.InitContainers, p.Pod.Spec.Containers) {
		all = append(all, c.Resources.Requests, c.Resources.Limits)
	}
	if r := p.Pod.Spec.Resources; r != nil {
		all = append(all, r.Requests, r.Limits)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Wishes)) {
		all = append(all, p.Wishes[name].Requests, p.Wishes[name].Limits)
	}
	return all
}
