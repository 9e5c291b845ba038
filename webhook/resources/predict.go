package resources

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/decision"
)

// Prediction is what may become of a Pod when it is created.
type Prediction struct {
	// Outcomes over the orders in which the LimitRanges may apply: at least one, sorted by
	// those orders.
	Outcomes []Outcome

	declared Pod
	ranges   []limitRange
	exact    bool
}

// Outcome is what becomes of the Pod under some orders of the LimitRanges.
type Outcome struct {
	// Pod as it would be stored: all defaults set, the Pod-level ones too.
	Pod Pod
	// Refusals by LimitRanges, sorted by the LimitRange's name, then as its items are.
	// A refusal is certain where every outcome has it.
	Refusals []decision.Refusal
	// Invalid is why validation rejects the Pod. Validation comes before LimitRanger's check.
	Invalid []Fault
}

// boundDefault marks a refusal for a value that is invalid only beside a default, as when
// a default limit lands under a larger request.
const boundDefault = "default"

// Predict gives the outcomes for a Pod as its writer, or a template, declares it. For a
// Pod that LimitRanger has already been through, there is one.
func Predict(p Pod, ranges []*corev1.LimitRange) Prediction {
	f := foresee(p, readRanges(ranges))
	prediction := Prediction{Outcomes: make([]Outcome, len(f.pods)), declared: p, ranges: f.ranges, exact: f.exact}
	for i, pod := range f.pods {
		prediction.Outcomes[i].Pod = withPodLevelDefaults(pod)
	}
	prediction.refuse()
	return prediction
}

// refuse looks at the Pods of all outcomes.
func (p *Prediction) refuse() {
	for i := range p.Outcomes {
		o := &p.Outcomes[i]
		o.Invalid, o.Refusals = invalid(&o.Pod), nil
		for _, v := range violations(&o.Pod, p.ranges) {
			o.Refusals = append(o.Refusals, v.Refusal)
		}
	}
	if p.exact {
		markCertain(p.Outcomes)
	}
}

// After is the prediction for the Pod with fills, which are set where LimitRanger has
// left gaps.
func (p Prediction) After(fills []Fill) Prediction {
	if len(fills) == 0 {
		return p
	}
	p.Outcomes = slices.Clone(p.Outcomes)
	for i := range p.Outcomes {
		p.Outcomes[i].Pod = withFills(p.Outcomes[i].Pod, fills)
	}
	p.refuse()
	return p
}

// Pods are those of all outcomes.
func (p Prediction) Pods() []Pod {
	pods := make([]Pod, len(p.Outcomes))
	for i := range p.Outcomes {
		pods[i] = p.Outcomes[i].Pod
	}
	return pods
}

func withFills(p Pod, fills []Fill) Pod {
	p.Containers = slices.Clone(p.Containers)
	for _, fill := range fills {
		for i := range p.Containers {
			if c := &p.Containers[i]; c.Name == fill.Container {
				list := fill.Field.in(&c.Resources)
				*list = withMissing(*list, corev1.ResourceList{fill.Field.Resource: fill.Value})
			}
		}
	}
	return withPodLevelDefaults(Default(p))
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

func keyOf(r decision.Refusal) refusalKey {
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
func (p Prediction) Refusals() []decision.Refusal {
	var union []decision.Refusal
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

// Clashes are what is invalid because of the LimitRanges' defaults, as where a default
// limit lands under a larger request.
func (p Prediction) Clashes() []decision.Refusal {
	outcomes := map[Fault]int{}
	var faults []Fault
	for i := range p.Outcomes {
		for _, fault := range p.Outcomes[i].Invalid {
			if outcomes[fault]++; outcomes[fault] == 1 {
				faults = append(faults, fault)
			}
		}
	}
	if len(faults) == 0 || len(p.ranges) == 0 {
		return nil
	}
	bare := withPodLevelDefaults(Default(p.declared))
	own := setOf(invalid(&bare))
	var alone []map[Fault]bool
	var found []decision.Refusal
	for _, fault := range faults {
		if own[fault] {
			continue
		}
		if alone == nil {
			alone = p.faultsAlone()
		}
		found = append(found, decision.Refusal{
			By: p.culprit(fault, alone), Container: fault.Container, Resource: string(fault.Resource), Bound: boundDefault,
			Message: "with its defaults the " + fault.Message, Excess: fault.Excess, Certain: p.exact && outcomes[fault] == len(p.Outcomes),
		})
	}
	return found
}

// faultsAlone is, for each LimitRange, what its defaults bring about without the others'.
func (p Prediction) faultsAlone() []map[Fault]bool {
	alone := make([]map[Fault]bool, len(p.ranges))
	for i := range p.ranges {
		var faults []Fault
		for _, pod := range foresee(p.declared, p.ranges[i:i+1]).pods {
			stored := withPodLevelDefaults(pod)
			faults = append(faults, invalid(&stored)...)
		}
		alone[i] = setOf(faults)
	}
	return alone
}

func setOf(faults []Fault) map[Fault]bool {
	set := make(map[Fault]bool, len(faults))
	for _, fault := range faults {
		set[fault] = true
	}
	return set
}

// culprit is the first LimitRange whose defaults alone bring the fault about, or all.
func (p Prediction) culprit(fault Fault, alone []map[Fault]bool) string {
	all := make([]string, len(p.ranges))
	for i := range p.ranges {
		if alone[i][fault] {
			return p.ranges[i].by
		}
		all[i] = p.ranges[i].by
	}
	return strings.Join(all, " and ")
}
