package resources

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Proposal is a value proposed for an unset field.
type Proposal struct {
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

// Unfilled is a proposal that is not applied.
type Unfilled struct {
	Proposal
	// Reason explains why to the operator.
	Reason string
}

// Fit returns the values to set on the Pod, in the order of the proposals.
//
// A proposal is ignored if the field has a value after API and LimitRange defaults, or if the
// Pod sets the resource at Pod level. Every other proposal becomes a fill or is reported.
//
// No fill makes the LimitRanges, validation or a quota refuse a Pod that they would have
// admitted, under any order of the LimitRanges. A Pod that is refused anyway is filled if that
// adds no reason. Filling a filled Pod again has no effect.
//
// The fills are for a Pod that LimitRanger has processed, as at a webhook. In a template, a
// limit would become the request before a default request is set.
//
// The API server sets defaults again after a patch, so a limit that is filled without a request
// sets the request too, and is checked as such.
func Fit(p Pod, proposals []Proposal, ranges []*corev1.LimitRange, quotas []*corev1.ResourceQuota) (fills []Fill, unfilled []Unfilled) {
	if len(proposals) == 0 {
		return nil, nil
	}
	f := &filler{defaulted: applyDefaults(p, readRanges(ranges))}
	open, reasons := f.gaps(proposals)
	filled := map[containerField]resource.Quantity{}
	if len(open) > 0 {
		f.predictBaselines()
		for _, name := range slices.Sorted(maps.Keys(open)) {
			maps.Copy(filled, f.fillResource(open[name], reasons))
		}
		f.satisfyQuotas(filled, quotas, reasons)
	}

	reported := map[containerField]bool{}
	for i, proposal := range proposals {
		if reason, ok := reasons.proposals[i]; ok {
			unfilled = append(unfilled, Unfilled{Proposal: proposal, Reason: reason})
			continue
		}
		at, ok := f.fieldOf(proposal)
		if !ok || reported[at] {
			continue
		}
		reported[at] = true
		if value, ok := filled[at]; ok {
			fills = append(fills, Fill{Container: proposal.Container, Field: proposal.Field, Value: value})
		} else if reason, ok := reasons.fields[at]; ok {
			unfilled = append(unfilled, Unfilled{Proposal: proposal, Reason: reason})
		}
	}
	return fills, unfilled
}

// containerField is a field of the container with that index.
type containerField struct {
	container int
	field     Field
}

// gap has the proposals for one unset resource of one container; nil means no proposal. request
// is also nil if the container has a request.
type gap struct {
	container      int
	resource       corev1.ResourceName
	request, limit *resource.Quantity
}

func (g *gap) requestField() containerField {
	return containerField{g.container, Field{Requests: true, Resource: g.resource}}
}
func (g *gap) limitField() containerField {
	return containerField{g.container, Field{Resource: g.resource}}
}

// refused has the reasons for not applying proposals: for single ones by index, or for all
// proposals for a field.
type refused struct {
	proposals map[int]string
	fields    map[containerField]string
}

// fieldOf returns the container's field that a proposal is for.
func (f *filler) fieldOf(proposal Proposal) (containerField, bool) {
	for i, c := range f.pods[0].Containers {
		if c.Name == proposal.Container {
			return containerField{i, proposal.Field}, true
		}
	}
	return containerField{}, false
}

// gaps groups the proposals by resource and container, and refuses invalid ones. It considers
// the first outcome only, because all outcomes set the same fields.
func (f *filler) gaps(proposals []Proposal) (map[corev1.ResourceName][]*gap, refused) {
	p := &f.pods[0]
	no := refused{proposals: map[int]string{}, fields: map[containerField]string{}}
	proposed := map[containerField]*resource.Quantity{}
	open := map[corev1.ResourceName][]*gap{}
	for i, proposal := range proposals {
		at, found := f.fieldOf(proposal)
		value := proposal.Value.DeepCopy()
		value.RoundUp(resource.Milli)
		switch {
		case !proposal.Field.fillable():
			no.proposals[i] = "only cpu, memory and ephemeral-storage are filled in"
		case !found:
			no.proposals[i] = "the Pod has no container of that name that can have resources"
		case p.setsAtPodLevel(proposal.Field.Resource), proposal.Field.isSet(&p.Containers[at.container].Resources):
			// The field is set, so there is nothing to do or to report.
		case value.Sign() < 0:
			no.proposals[i] = fmt.Sprintf("%s is negative", proposal.Value.String())
		case proposed[at] == nil:
			proposed[at] = &value
			list := open[proposal.Field.Resource]
			k := slices.IndexFunc(list, func(g *gap) bool { return g.container == at.container })
			if k < 0 {
				list = append(list, &gap{container: at.container, resource: proposal.Field.Resource})
				open[proposal.Field.Resource], k = list, len(list)-1
			}
			if proposal.Field.Requests {
				list[k].request = &value
			} else {
				list[k].limit = &value
			}
		case proposed[at].Cmp(value) != 0:
			no.proposals[i] = fmt.Sprintf("%s is already proposed for the same field", proposed[at].String())
		}
	}
	for _, list := range open {
		slices.SortFunc(list, func(a, b *gap) int { return a.container - b.container })
	}
	return open, no
}

// maxIndividualFills limits how many gaps of a resource are filled one by one if filling all of
// them together is refused. Each attempt predicts the whole Pod.
const maxIndividualFills = 64

// unset is the prefix of a reason that filling would cause.
const unset = "not set: "

// fillResource fills the gaps of one resource. It tries all gaps together first, because totals
// may require all of them. If that is refused, it tries them one by one, without the limit if
// the limit is the cause, and repeats this while it makes progress, because a new request in
// the total may make a ratio satisfiable. The last round changes nothing, and it is also the
// first round of a second Fit, which is why Fit is idempotent.
func (f *filler) fillResource(open []*gap, reasons refused) map[containerField]resource.Quantity {
	filled := map[containerField]resource.Quantity{}
	for progress := true; progress && len(open) > 0; {
		progress = false
		all := map[containerField]resource.Quantity{}
		for _, g := range open {
			maps.Copy(all, f.choose(g, filled))
		}
		why := f.newRefusal(merged(filled, all))
		if why == "" {
			return merged(filled, all)
		}
		if len(open) > maxIndividualFills {
			for at := range all {
				reasons.fields[at] = unset + why
			}
			return filled
		}
		for _, g := range open {
			for _, values := range alternatives(g, f.choose(g, filled)) {
				next := merged(filled, values)
				why := f.newRefusal(next)
				if why == "" {
					filled, progress = next, true
					break
				}
				for at := range values {
					reasons.fields[at] = unset + why
				}
			}
			if _, ok := filled[g.requestField()]; ok {
				g.request = nil
			}
			if _, ok := filled[g.limitField()]; ok {
				g.limit = nil
			}
		}
		open = slices.DeleteFunc(open, func(g *gap) bool { return g.request == nil && g.limit == nil })
	}
	return filled
}

// alternatives returns the sets of values to try for a gap, in order of preference. A limit
// without the proposed request is not one: it would become the request, larger than proposed.
func alternatives(g *gap, values map[containerField]resource.Quantity) []map[containerField]resource.Quantity {
	if len(values) < 2 {
		return []map[containerField]resource.Quantity{values}
	}
	return []map[containerField]resource.Quantity{values, {g.requestField(): values[g.requestField()]}}
}

func merged(a, b map[containerField]resource.Quantity) map[containerField]resource.Quantity {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}
