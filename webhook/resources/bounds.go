package resources

import (
	"fmt"
	"math/big"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// The kinds of bounds, as in decision.Refusal.
const (
	boundMin   = "min"
	boundMax   = "max"
	boundRatio = "maxLimitRequestRatio"
)

// bound is one min, max or maxLimitRequestRatio of a resource.
type bound struct {
	kind     string
	resource corev1.ResourceName
	value    resource.Quantity
}

// violation is a refusal. absent is true if a value is not set, rather than wrong.
type violation struct {
	decision.Refusal
	absent bool
}

// violations returns all reasons for which the LimitRanges refuse the Pod. The plugin reports
// only the first LimitRange that refuses it, so its message depends on the order, but whether
// it refuses the Pod does not.
func violations(p *Pod, ranges []limitRange) []violation {
	var found []violation
	var totals *corev1.ResourceRequirements
	for i := range ranges {
		r := &ranges[i]
		for j := range r.items {
			it := &r.items[j]
			if it.limitType == corev1.LimitTypePod {
				if totals == nil {
					totals = limitRangerTotals(p)
				}
				found = it.check(found, r.by, "", totals)
				continue
			}
			for k := range p.Containers {
				found = it.check(found, r.by, p.Containers[k].Name, &p.Containers[k].Resources)
			}
		}
	}
	return found
}

// limitRangerTotals returns the totals that items of type Pod limit. Pod-level CPU and memory
// replace the sum of the containers; Pod-level hugepages do not, unlike elsewhere in
// Kubernetes.
func limitRangerTotals(p *Pod) *corev1.ResourceRequirements {
	requests, limits := containerTotals(p.Containers)
	if p.Resources != nil {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if q, ok := p.Resources.Requests[name]; ok {
				requests[name] = q
			}
			if q, ok := p.Resources.Limits[name]; ok {
				limits[name] = q
			}
		}
	}
	return &corev1.ResourceRequirements{Requests: requests, Limits: limits}
}

func (it *item) check(found []violation, by, container string, have *corev1.ResourceRequirements) []violation {
	for i := range it.bounds {
		b := &it.bounds[i]
		message, absent := b.refuse(have)
		if message == "" {
			continue
		}
		if it.limitType == corev1.LimitTypePod {
			message = "the Pod's " + message
		}
		found = append(found, violation{absent: absent, Refusal: decision.Refusal{
			By: by, Container: container, Resource: string(b.resource), Bound: b.kind, Message: message, Excess: b.excess(have),
		}})
	}
	return found
}

// refuse returns why the bound refuses the values, or "". The rules are those of minConstraint,
// maxConstraint and limitRequestRatioConstraint in the plugin: min requires a request, max a
// limit, and the ratio both of them, not zero. If the counterpart is set too, min and max apply
// to it as well.
func (b *bound) refuse(have *corev1.ResourceRequirements) (message string, absent bool) {
	request, hasRequest := have.Requests[b.resource]
	limit, hasLimit := have.Limits[b.resource]
	requested, limited, bounded := atOnePrecision(&request, &limit, &b.value)
	switch b.kind {
	case boundMin:
		switch {
		case !hasRequest:
			return fmt.Sprintf("%s request is not set, but the minimum is %s", b.resource, b.value.String()), true
		case requested < bounded:
			return fmt.Sprintf("%s request %s is under the minimum of %s", b.resource, request.String(), b.value.String()), false
		case hasLimit && limited < bounded:
			return fmt.Sprintf("%s limit %s is under the minimum of %s", b.resource, limit.String(), b.value.String()), false
		}
	case boundMax:
		switch {
		case !hasLimit:
			return fmt.Sprintf("%s limit is not set, but the maximum is %s", b.resource, b.value.String()), true
		case limited > bounded:
			return fmt.Sprintf("%s limit %s is over the maximum of %s", b.resource, limit.String(), b.value.String()), false
		case hasRequest && requested > bounded:
			return fmt.Sprintf("%s request %s is over the maximum of %s", b.resource, request.String(), b.value.String()), false
		}
	case boundRatio:
		switch {
		case !hasRequest || requested == 0:
			return fmt.Sprintf("%s request is not set or is 0, but the limit may be at most %s times the request", b.resource, b.value.String()), true
		case !hasLimit || limited == 0:
			return fmt.Sprintf("%s limit is not set or is 0, but must be set to at most %s times the request", b.resource, b.value.String()), true
		case overRatio(requested, limited, &b.value):
			return fmt.Sprintf("%s limit %s is more than %s times the request %s", b.resource, limit.String(), b.value.String(), request.String()), false
		}
	}
	return "", false
}

// excess returns how far values that the bound refuses are from it, or "" if the required value
// is not set.
func (b *bound) excess(have *corev1.ResourceRequirements) string {
	request, hasRequest := have.Requests[b.resource]
	limit, hasLimit := have.Limits[b.resource]
	switch {
	case b.kind == boundMin && hasRequest:
		if hasLimit && limit.Cmp(request) < 0 {
			request = limit
		}
		return difference(b.value, request)
	case b.kind == boundMax && hasLimit:
		if hasRequest && request.Cmp(limit) > 0 {
			limit = request
		}
		return difference(limit, b.value)
	case b.kind == boundRatio && request.Sign() > 0 && limit.Sign() > 0:
		ratio := new(big.Rat).Quo(rational(limit), rational(request))
		return ratio.Sub(ratio, rational(b.value)).FloatString(ratioDigits)
	}
	return ""
}

// ratioDigits is the number of decimal places of a ratio.
const ratioDigits = 18

// difference returns the exact value of a - b.
func difference(a, b resource.Quantity) string {
	d := a.DeepCopy()
	d.Sub(b)
	return d.AsDec().String()
}

func rational(q resource.Quantity) *big.Rat {
	d := q.DeepCopy()
	r, _ := new(big.Rat).SetString(d.AsDec().String())
	return r
}

// overRatio compares in floating point with the same steps as the plugin; any other method
// differs from it in the last digit.
func overRatio(requested, limited int64, ratio *resource.Quantity) bool {
	observed := float64(limited) / float64(requested)
	if ratio.Value() <= resource.MaxMilliValue {
		return observed*1000 > float64(ratio.MilliValue())
	}
	return observed > float64(ratio.Value())
}

// atOnePrecision returns all three values in thousandths, or all in whole units, rounded up, if
// one is too large. A missing value is zero.
func atOnePrecision(request, limit, bounding *resource.Quantity) (requested, limited, bounded int64) {
	requested, limited, bounded = request.Value(), limit.Value(), bounding.Value()
	if requested <= resource.MaxMilliValue && limited <= resource.MaxMilliValue && bounded <= resource.MaxMilliValue {
		return request.MilliValue(), limit.MilliValue(), bounding.MilliValue()
	}
	return requested, limited, bounded
}
