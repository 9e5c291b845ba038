package resources

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/decision"
)

// Prediction is what can happen to a Pod when it is created.
type Prediction struct {
	// Outcomes has at least one outcome, sorted by the orders in which the LimitRanges may
	// apply.
	Outcomes []Outcome

	declared Pod
	ranges   []limitRange
	exact    bool
}

// Outcome is what happens to the Pod under some orders of the LimitRanges.
type Outcome struct {
	// Pod is the Pod as it would be stored, with all defaults.
	Pod Pod
	// Refusals by LimitRanges are sorted by LimitRange name and item. A refusal is certain if
	// every outcome has it.
	Refusals []decision.Refusal
	// Invalid has the validation errors. Validation precedes the check of LimitRanger.
	Invalid []Fault
}

// boundDefault is the Bound of a refusal for a value that is only invalid together with a
// default, for example a request larger than a default limit.
const boundDefault = "default"

// Predict returns the outcomes for a Pod as its writer or a template declares it. There is one
// outcome for a Pod that LimitRanger has processed already.
func Predict(p Pod, ranges []*corev1.LimitRange) Prediction {
	d := applyDefaults(p, readRanges(ranges))
	prediction := Prediction{Outcomes: make([]Outcome, len(d.pods)), declared: p, ranges: d.ranges, exact: d.exact}
	for i, pod := range d.pods {
		prediction.Outcomes[i].Pod = withPodLevelDefaults(pod)
	}
	prediction.predictRefusals()
	return prediction
}

// predictRefusals sets the refusals of all outcomes.
func (p *Prediction) predictRefusals() {
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

// WithFills returns the prediction for the Pod with fills, which are set in fields that
// LimitRanger leaves unset.
func (p Prediction) WithFills(fills []Fill) Prediction {
	if len(fills) == 0 {
		return p
	}
	p.Outcomes = slices.Clone(p.Outcomes)
	for i := range p.Outcomes {
		p.Outcomes[i].Pod = withFills(p.Outcomes[i].Pod, fills)
	}
	p.predictRefusals()
	return p
}

// Pods returns the Pods of all outcomes.
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
	return withPodLevelDefaults(APIDefaults(p))
}

func markCertain(outcomes []Outcome) {
	in := map[refusalKey]int{} // number of outcomes so far that have the refusal
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

// defaulted has the Pod with LimitRanger defaults and without Pod-level defaults, under every
// order of the LimitRanges.
type defaulted struct {
	ranges []limitRange
	pods   []Pod
	exact  bool
}

func applyDefaults(p Pod, ranges []limitRange) defaulted {
	p = APIDefaults(p)
	sets, exact := defaultSets(&p, ranges)
	d := defaulted{ranges: ranges, pods: make([]Pod, len(sets)), exact: exact}
	for i := range sets {
		d.pods[i] = withLimitRangeDefaults(p, &sets[i])
	}
	return d
}

// refusalKey identifies a refusal regardless of the values in its message.
type refusalKey struct{ by, container, resource, bound string }

func keyOf(r decision.Refusal) refusalKey {
	return refusalKey{r.By, r.Container, r.Resource, r.Bound}
}

// Effective returns the values of Pod.Containers[i] that all outcomes agree on.
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

// Refusals returns the refusals of all outcomes. If messages differ between outcomes, it
// returns the first one.
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

// InvalidDefaults returns refusals for values that are invalid because of LimitRange defaults,
// for example a request larger than a default limit.
func (p Prediction) InvalidDefaults() []decision.Refusal {
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
	bare := withPodLevelDefaults(APIDefaults(p.declared))
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
			By: p.cause(fault, alone), Container: fault.Container, Resource: string(fault.Resource), Bound: boundDefault,
			Message: "with its defaults, the " + fault.Message, Excess: fault.Excess, Certain: p.exact && outcomes[fault] == len(p.Outcomes),
		})
	}
	return found
}

// faultsAlone returns, for each LimitRange, the errors that its defaults cause without those of
// others.
func (p Prediction) faultsAlone() []map[Fault]bool {
	alone := make([]map[Fault]bool, len(p.ranges))
	for i := range p.ranges {
		var faults []Fault
		for _, pod := range applyDefaults(p.declared, p.ranges[i:i+1]).pods {
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

// cause returns the first LimitRange whose defaults alone cause the error, or all of them.
func (p Prediction) cause(fault Fault, alone []map[Fault]bool) string {
	all := make([]string, len(p.ranges))
	for i := range p.ranges {
		if alone[i][fault] {
			return p.ranges[i].by
		}
		all[i] = p.ranges[i].by
	}
	return strings.Join(all, " and ")
}
