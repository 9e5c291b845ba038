package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/apis/core"

	"taffrail.dev/test/podgen"
	"taffrail.dev/webhook/resources"
)

// fitting is the result of Fit for proposals.
type fitting struct {
	// template is true if LimitRanger had not processed the Pod.
	template bool
	wishes   []resources.Proposal
	fills    []resources.Fill
	unfilled []resources.Unfilled
}

func fit(p resources.Pod, wishes []resources.Proposal, ranges []*corev1.LimitRange) fitting {
	fills, unfilled := resources.Fit(p, wishes, ranges, nil)
	return fitting{wishes: wishes, fills: fills, unfilled: unfilled}
}

// compareFit applies fills as a webhook's patch does, and then continues as Kubernetes does: decode the Pod
// again, call LimitRanger again in another order, and store it.
func compareFit(f fitting, p podgen.Pair, admitting *core.Pod, before *verdict, ranges []*corev1.LimitRange, order []int) error {
	if err := answered(f, admitting); err != nil {
		return err
	}
	if len(f.fills) == 0 {
		return nil
	}
	patched, err := encode(admitting)
	if err != nil {
		return err
	}
	fill(patched, f.fills)
	again, err := decode(patched)
	if err != nil {
		return err
	}
	decoded := text(&again.Spec)
	order = slices.Clone(order)
	slices.Reverse(order)
	if err := mutate(again, ranges, order); err != nil {
		return err
	}
	if mutated := text(&again.Spec); mutated != decoded {
		return fmt.Errorf("%s: LimitRanger changes the Pod once more:\n\t%s\n\t%s", fillsText(f.fills), decoded, mutated)
	}
	filled := again.DeepCopy()
	after, err := store(again, ranges)
	if err != nil {
		return err
	}
	switch {
	case before.admitted() && !after.admitted():
		return fmt.Errorf("%s: would have been admitted, and now: %v", fillsText(f.fills), after)
	case len(before.invalid) == 0 && len(after.invalid) > 0:
		return fmt.Errorf("%s: was valid, and now: %v", fillsText(f.fills), after)
	}
	for by, found := range after.refused {
		for _, r := range found {
			if !slices.ContainsFunc(before.refused[by], r.SameBound) {
				return fmt.Errorf("%s: %s did not refuse for %+v before", fillsText(f.fills), by, r)
			}
		}
	}
	if f.template {
		// A value may fit none of the orders equally, but the one that occurred.
		return nil
	}
	second := fit(pod(filled), f.wishes, p.Ranges)
	if len(second.fills) > 0 {
		return fmt.Errorf("%s: a second time %s", fillsText(f.fills), fillsText(second.fills))
	}
	for _, u := range second.unfilled {
		if !slices.ContainsFunc(f.unfilled, func(v resources.Unfilled) bool { return v.Container == u.Container && v.Field == u.Field }) {
			return fmt.Errorf("%s: only the second time %s %s is reported: %s", fillsText(f.fills), u.Container, u.Field, u.Reason)
		}
	}
	return nil
}

// answered checks that Fit answers each proposal: with a fill, or a report with a reason, for a gap of the Pod
// at the webhook, and with neither if the field is set.
func answered(f fitting, admitting *core.Pod) error {
	for _, w := range f.wishes {
		filled := slices.ContainsFunc(f.fills, func(v resources.Fill) bool { return v.Container == w.Container && v.Field == w.Field })
		reported := slices.ContainsFunc(f.unfilled, func(u resources.Unfilled) bool {
			return u.Container == w.Container && u.Field == w.Field && u.Reason != ""
		})
		_, err := resources.ParseField(w.Field.String())
		set, there := isSet(w, &admitting.Spec)
		switch {
		case err != nil, !there:
			if filled || !reported {
				return fmt.Errorf("%s %s cannot be filled: filled %t, reported %t", w.Container, w.Field, filled, reported)
			}
		case set && (filled || reported), !set && filled == reported:
			return fmt.Errorf("%s %s: set %t, filled %t, reported %t", w.Container, w.Field, set, filled, reported)
		}
	}
	return nil
}

// isSet checks the container, if it exists, and the Pod level.
func isSet(w resources.Proposal, spec *core.PodSpec) (set, there bool) {
	name := core.ResourceName(w.Field.Resource)
	if r := spec.Resources; r != nil {
		_, request := r.Requests[name]
		_, limit := r.Limits[name]
		set = request || limit
	}
	for _, c := range containers(spec) {
		if c.Name == w.Container {
			there = true
			list := c.Resources.Limits
			if w.Field.Requests {
				list = c.Resources.Requests
			}
			_, has := list[name]
			set = set || has
		}
	}
	return set, there
}

func fill(pod *corev1.Pod, fills []resources.Fill) {
	for _, f := range fills {
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				if list[i].Name != f.Container {
					continue
				}
				into := &list[i].Resources.Limits
				if f.Field.Requests {
					into = &list[i].Resources.Requests
				}
				if *into == nil {
					*into = corev1.ResourceList{}
				}
				(*into)[f.Field.Resource] = f.Value
				sent(*into)
			}
		}
	}
}

func wishesOf(p podgen.Pair) []resources.Proposal {
	var wishes []resources.Proposal
	for _, container := range slices.Sorted(maps.Keys(p.Wishes)) {
		r := p.Wishes[container]
		for _, requests := range []bool{true, false} {
			list := r.Limits
			if requests {
				list = r.Requests
			}
			for _, name := range slices.Sorted(maps.Keys(list)) {
				wishes = append(wishes, resources.Proposal{
					Container: container, Field: resources.Field{Requests: requests, Resource: name}, Value: list[name],
				})
			}
		}
	}
	return wishes
}

func fillsText(fills []resources.Fill) string {
	var all []string
	for _, f := range fills {
		all = append(all, fmt.Sprintf("%s.%s=%s", f.Container, f.Field, f.Value.String()))
	}
	return "filled in " + strings.Join(all, ", ")
}
