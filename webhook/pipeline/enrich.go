package pipeline

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
	"taffrail.dev/webhook/resources"
)

// wantedFacts returns the facts that a bound policy reads and that can affect this object: most
// objects mount no claim and have no Pods.
func wantedFacts(r *decision.Request, bindings []config.AppliedBinding) []decision.Fact {
	var wanted []decision.Fact
	for _, binding := range bindings {
		for _, fact := range binding.Policy.Facts {
			if !slices.Contains(wanted, fact) && matters(r, fact) {
				wanted = append(wanted, fact)
			}
		}
	}
	return wanted
}

// unreadFact returns a kind of facts that a policy needs and that could not be read.
func unreadFact(r *decision.Request, policy *rego.Policy) (fact decision.Fact, missing bool) {
	for _, fact := range policy.Facts {
		if _, missing := r.Facts.Unread[fact]; missing {
			return fact, true
		}
	}
	return "", false
}

func matters(r *decision.Request, fact decision.Fact) bool {
	switch fact {
	case decision.FactLimitRanges, decision.FactResourceQuotas:
		return r.Workload != nil || isNamespace(r)
	case decision.FactAutoscalers:
		return r.Workload != nil && r.Workload.Template
	case decision.FactClaims:
		return slices.ContainsFunc(r.Claims, func(c decision.Claim) bool {
			return c.Source == decision.ClaimVolume || c.Source == decision.ClaimTemplate
		})
	case decision.FactStorageClasses:
		return len(r.Claims) > 0
	}
	return true
}

func isNamespace(r *decision.Request) bool {
	return r.Kind.GroupKind() == schema.GroupKind{Kind: "Namespace"}
}

// factNamespace returns the namespace to read facts from: for a Namespace object, the namespace
// itself.
func factNamespace(r *decision.Request) string {
	if isNamespace(r) {
		return r.Name
	}
	return r.Namespace.Name
}

// enrich derives from a request's facts the effect of LimitRanges on the workload's Pods and
// claims, the autoscaler, and the properties of claims, and stores them in r. It copies what r
// shares with the caller's Request before changing it. The prediction is empty if there is no
// workload.
func enrich(r *decision.Request) resources.Prediction {
	r.Claims = claimsWithFacts(r)
	if r.Workload == nil {
		return resources.Prediction{}
	}
	workload := *r.Workload
	workload.Containers = slices.Clone(workload.Containers)
	prediction := resources.Predict(resources.PodOf(&workload), r.Facts.LimitRanges)
	workload.Refusals = refusals(r, prediction)
	i := 0 // PodOf leaves the ephemeral containers out
	for c := range workload.Containers {
		if workload.Containers[c].Type != decision.ContainerEphemeral {
			workload.Containers[c].Effective = prediction.Effective(i)
			i++
		}
	}
	workload.Autoscaler = autoscalerOf(r)
	r.Workload = &workload
	workload.Count = request.Count(r)
	return prediction
}

func autoscalerOf(r *decision.Request) *decision.Autoscaler {
	for _, hpa := range r.Facts.Autoscalers {
		target := hpa.Spec.ScaleTargetRef
		group := schema.FromAPIVersionAndKind(target.APIVersion, target.Kind).Group
		if target.Name != r.Name || target.Kind != r.Kind.Kind || group != r.Kind.Group {
			continue
		}
		minimum := int64(1) // the API server's default
		if hpa.Spec.MinReplicas != nil {
			minimum = int64(*hpa.Spec.MinReplicas)
		}
		return &decision.Autoscaler{Name: hpa.Name, MinReplicas: minimum, MaxReplicas: int64(hpa.Spec.MaxReplicas)}
	}
	return nil
}

// claimsWithFacts returns the claims completed with what their namespace has: the stored claim
// that a volume names, and the provisioner of each claim.
func claimsWithFacts(r *decision.Request) []decision.Claim {
	claims := slices.Clone(r.Claims)
	for i := range claims {
		c := &claims[i]
		if c.Source == decision.ClaimVolume {
			addKnownClaim(c, r.Facts.PersistentVolumeClaims)
		}
		for _, class := range r.Facts.StorageClasses {
			if c.Known && c.StorageClass == nil && class.Annotations[annotationDefaultClass] == "true" {
				c.StorageClass = &class.Name
			}
			if c.StorageClass != nil && *c.StorageClass == class.Name {
				c.Provisioner = class.Provisioner
			}
		}
	}
	return claims
}

const annotationDefaultClass = "storageclass.kubernetes.io/is-default-class"

func addKnownClaim(c *decision.Claim, known []*corev1.PersistentVolumeClaim) {
	for _, claim := range known {
		if claim.Name != c.Name {
			continue
		}
		c.Known, c.StorageClass, c.Requests, c.AccessModes = true, claim.Spec.StorageClassName, claim.Spec.Resources.Requests, nil
		for _, mode := range claim.Spec.AccessModes {
			c.AccessModes = append(c.AccessModes, string(mode))
		}
	}
}

func refusals(r *decision.Request, prediction resources.Prediction) []decision.Refusal {
	return slices.Concat(prediction.Refusals(), prediction.InvalidDefaults(), claimRefusals(r))
}

// claimRefusals returns what LimitRanges refuse of the claims that a workload's controller or
// its Pods create. A claim that a volume names exists already, or is refused when it is
// applied.
func claimRefusals(r *decision.Request) []decision.Refusal {
	var refusals []decision.Refusal
	for _, claim := range ownClaims(r.Claims) {
		for _, refusal := range resources.ClaimRefusals(claim.Requests, r.Facts.LimitRanges) {
			refusal.Claim = claim.Path
			refusals = append(refusals, refusal)
		}
	}
	return refusals
}

func ownClaims(claims []decision.Claim) []decision.Claim {
	var own []decision.Claim
	for _, c := range claims {
		if c.Source == decision.ClaimTemplate || c.Source == decision.ClaimEphemeral {
			own = append(own, c)
		}
	}
	return own
}

// predictPods adds to a template what happens to its Pods once injections are applied: what
// LimitRanges still refuse, and which ResourceQuotas are exhausted. What the Pods of the stored
// object use counts as available.
func predictPods(r *decision.Request, which version, prediction resources.Prediction, fills []decision.Fill) {
	if r.Workload == nil || !r.Workload.Template {
		return
	}
	filled := prediction.WithFills(enforced(fills))
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

func enforced(fills []decision.Fill) []resources.Fill {
	var all []resources.Fill
	for _, fill := range fills {
		field, err := resources.ParseField(fill.Field)
		value, bad := resource.ParseQuantity(fill.Value)
		if fill.Mode == decision.ModeEnforce && err == nil && bad == nil {
			all = append(all, resources.Fill{Container: fill.Container, Field: field, Value: value})
		}
	}
	return all
}

// version is which object of an UPDATE a request contains.
type version int

const (
	newObject version = iota
	// oldObject is the stored object, whose Pods exist.
	oldObject
)

// storedRequest returns the request for the stored object, or nil if nothing is stored or it
// cannot be read. Without it, all usage counts as that of other objects.
func storedRequest(r *decision.Request, which version) *decision.Request {
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
func currentUsage(stored *decision.Request, facts decision.Facts, fills []decision.Fill) *resources.Current {
	if stored == nil {
		return nil
	}
	pods := resources.Predict(resources.PodOf(stored.Workload), facts.LimitRanges).WithFills(enforced(fills)).Pods()
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

// Enrich adds to a request what Decide derives from its facts before it evaluates policies.
// Tests of a single policy use it.
func Enrich(r *decision.Request) { predictPods(r, newObject, enrich(r), nil) }

// EnrichStored is Enrich for the stored object of an UPDATE, whose Pods exist.
func EnrichStored(old *decision.Request) { predictPods(old, oldObject, enrich(old), nil) }
