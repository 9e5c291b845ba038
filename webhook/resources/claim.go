package resources

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// ClaimRefusals returns all reasons for which the LimitRanges refuse a PersistentVolumeClaim
// with the given spec.resources.requests on CREATE or UPDATE. They are sorted by LimitRange
// name and item. LimitRanger sets no defaults on claims, so every refusal is certain.
//
// The rules are those of PersistentVolumeClaimValidateLimitFunc in the plugin: min and max of
// PersistentVolumeClaim items require a request and limit it, for any resource. A claim's
// limits and maxLimitRequestRatio are ignored.
func ClaimRefusals(requests corev1.ResourceList, ranges []*corev1.LimitRange) []decision.Refusal {
	var found []decision.Refusal
	requests = rounded(requests) // as in the API server's decoder
	for _, r := range sortedByName(ranges) {
		for i := range r.Spec.Limits {
			limit := defaultItem(r.Spec.Limits[i])
			if limit.Type != corev1.LimitTypePersistentVolumeClaim {
				continue
			}
			for _, b := range appendBounds(appendBounds(nil, boundMin, limit.Min), boundMax, limit.Max) {
				if message := b.refuseClaim(requests); message != "" {
					found = append(found, decision.Refusal{
						By: "LimitRange/" + r.Name, Resource: string(b.resource), Bound: b.kind, Message: message,
						Excess: b.excess(&corev1.ResourceRequirements{Requests: requests, Limits: requests}), Certain: true,
					})
				}
			}
		}
	}
	return found
}

// refuseClaim differs from refuse in that a maximum requires a request too.
func (b *bound) refuseClaim(requests corev1.ResourceList) string {
	request, ok := requests[b.resource]
	word := "minimum"
	if b.kind == boundMax {
		word = "maximum"
	}
	if !ok {
		return fmt.Sprintf("%s request is not set, but the %s is %s", b.resource, word, b.value.String())
	}
	requested, _, bounded := atOnePrecision(&request, &resource.Quantity{}, &b.value)
	switch {
	case b.kind == boundMin && requested < bounded:
		return fmt.Sprintf("%s request %s is under the %s of %s", b.resource, request.String(), word, b.value.String())
	case b.kind == boundMax && requested > bounded:
		return fmt.Sprintf("%s request %s is over the %s of %s", b.resource, request.String(), word, b.value.String())
	default:
		return ""
	}
}
