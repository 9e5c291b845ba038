package pipeline

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
	"taffrail.dev/webhook/resources"
)

// predictPods adds to a template what happens to its Pods once the fills are applied: what
// LimitRanges still refuse, and which ResourceQuotas are exhausted. What the Pods of the stored
// object use counts as available.
func predictPods(r *decision.Request, which objectVersion, prediction resources.Prediction, fills []resources.Fill) {
	if r.Workload == nil || !r.Workload.Template {
		return
	}
	filled := prediction.WithFills(fills)
	if len(fills) > 0 {
		r.Workload.Refusals = refusals(r, filled)
	}
	if len(r.Facts.ResourceQuotas) > 0 {
		r.Workload.Shortages = resources.Shortages(resources.Demand{
			Pods:    filled.Pods(),
			Scope:   request.Scope(r.Workload.Pod),
			Claims:  ownClaims(r.Claims),
			Count:   r.Workload.Count,
			Current: currentUsage(storedRequest(r, which), r.Facts, fills),
		}, r.Facts.ResourceQuotas)
	}
}

// storedRequest returns the request for the stored object, or nil if nothing is stored or it
// cannot be read. Without it, all usage counts as that of other objects.
func storedRequest(r *decision.Request, which objectVersion) *decision.Request {
	if r.Origin == decision.OriginLive || which == oldObject {
		return r
	}
	stored, err := request.Old(r)
	if err != nil || stored == nil || stored.Workload == nil {
		return nil
	}
	return stored
}

// currentUsage returns what the stored object's Pods use now. It assumes that they got the same
// injections as the new ones.
func currentUsage(stored *decision.Request, facts decision.Facts, fills []resources.Fill) *resources.Current {
	if stored == nil {
		return nil
	}
	pods := resources.Predict(resources.PodOf(stored.Workload), facts.LimitRanges).WithFills(fills).Pods()
	own := ownClaims(stored.Claims)
	return &resources.Current{
		Pod: pods[0], Scope: request.Scope(stored.Workload.Pod),
		Count:    request.CurrentPods(stored.Object, stored.Kind.Kind),
		Claims:   slices.DeleteFunc(slices.Clone(own), func(c decision.Claim) bool { return c.Source == decision.ClaimTemplate }),
		Retained: retainedClaims(own, stored.Name, facts.PersistentVolumeClaims),
	}
}

// retainedClaims returns the claims that a StatefulSet has made from its templates and that
// outlive its Pods. They are named <template>-<StatefulSet>-<ordinal>.
func retainedClaims(own []decision.Claim, set string, known []*corev1.PersistentVolumeClaim) []decision.Claim {
	var kept []decision.Claim
	for _, template := range own {
		if template.Source != decision.ClaimTemplate {
			continue
		}
		for _, claim := range known {
			ordinal, made := strings.CutPrefix(claim.Name, template.Name+"-"+set+"-")
			if _, err := strconv.ParseUint(ordinal, 10, 32); made && err == nil {
				kept = append(kept, decision.Claim{Requests: claim.Spec.Resources.Requests, StorageClass: claim.Spec.StorageClassName})
			}
		}
	}
	return kept
}

// objectVersion is which object of an UPDATE a request contains.
type objectVersion int

const (
	newObject objectVersion = iota
	// oldObject is the stored object, whose Pods exist.
	oldObject
)
