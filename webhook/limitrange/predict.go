package limitrange

import (
	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/review"
)

// Prediction is what may become of a Pod when it is created.
type Prediction struct {
	// Outcomes over the orders in which the LimitRanges may apply: at least one, sorted by
	// those orders.
	Outcomes []Outcome
}

// Outcome is what becomes of the Pod under some orders of the LimitRanges.
type Outcome struct {
	// Pod as it would be stored: all defaults set, the Pod-level ones too.
	Pod Pod
	// Refusals by LimitRanges, sorted by the LimitRange's name, then as its items are.
	// A refusal is certain where every outcome has it.
	Refusals []review.Refusal
	// Invalid is why validation rejects the Pod, as when a default limit lands beside a
	// larger request. Validation comes before LimitRanger's check.
	Invalid []string
}

// Predict gives the outcomes for a Pod as its writer, or a template, declares it. For a
// Pod that LimitRanger has already been through, there is one.
func Predict(p Pod, ranges []*corev1.LimitRange) Prediction {
	f := foresee(p, readRanges(ranges))
	outcomes := make([]Outcome, len(f.pods))
	for i, pod := range f.pods {
		stored := withPodLevelDefaults(pod)
		outcomes[i] = Outcome{Pod: stored, Invalid: invalid(&stored)}
		for _, v := range violations(&stored, f.ranges) {
			outcomes[i].Refusals = append(outcomes[i].Refusals, v.Refusal)
		}
	}
	if f.exact {
		markCertain(outcomes)
	}
	return Prediction{Outcomes: outcomes}
}

func markCertain(outcomes []Outcome) {
	in := map[refusalKey]int{} // how many of the outcomes so far
	for i := range outcomes {
		for _, r := range outcomes[i].Refusals {
			if in[keyOf(r)] == i {
				in[keyOf(r)]++
			}
		}
	}
	for i := range outcomes {
		for j := range outcomes[i].Refusals {
			r := &outcomes[i].Refusals[j]
			r.Certain = in[keyOf(*r)] == len(outcomes)
		}
	}
}

// forecast is a prediction halfway: with LimitRanger's defaults, before Pod-level ones.
type forecast struct {
	ranges []limitRange
	pods   []Pod
	exact  bool
}

func foresee(p Pod, ranges []limitRange) forecast {
	p = Default(p)
	sets, exact := defaultSets(&p, ranges)
	f := forecast{ranges: ranges, pods: make([]Pod, len(sets)), exact: exact}
	for i := range sets {
		f.pods[i] = withLimitRangeDefaults(p, &sets[i])
	}
	return f
}

// refusalKey tells refusals apart, whatever the values in their messages.
type refusalKey struct{ by, container, resource, bound string }

func keyOf(r review.Refusal) refusalKey {
	return refusalKey{r.By, r.Container, r.Resource, r.Bound}
}

// Effective is what all outcomes agree on for Pod.Containers[i].
func (p Prediction) Effective(i int) corev1.ResourceRequirements {
	agreed := p.Outcomes[0].Pod.Containers[i].Resources
	for _, o := range p.Outcomes[1:] {
		other := o.Pod.Containers[i].Resources
		agreed.Requests = agreeing(agreed.Requests, other.Requests)
		agreed.Limits = agreeing(agreed.Limits, other.Limits)
	}
	return agreed
}

func agreeing(a, b corev1.ResourceList) corev1.ResourceList {
	both := corev1.ResourceList{}
	for name, value := range a {
		if other, ok := b[name]; ok && value.Cmp(other) == 0 {
			both[name] = value
		}
	}
	return both
}

// Refusals are those of all outcomes. Where the value in a message differs between
// outcomes, the first outcome's is told.
func (p Prediction) Refusals() []review.Refusal {
	if len(p.Outcomes) == 1 {
		return p.Outcomes[0].Refusals
	}
	var union []review.Refusal
	seen := map[refusalKey]bool{}
	for _, o := range p.Outcomes {
		for _, r := range o.Refusals {
			if key := keyOf(r); !seen[key] {
				seen[key] = true
				union = append(union, r)
			}
		}
	}
	return union
}
