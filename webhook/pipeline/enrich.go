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
	"taffrail.dev/webhook/request"
	"taffrail.dev/webhook/resources"
)

// wantedFacts are those that a bound policy rests on and that can make a difference for
// the object: most objects mount no claim, and have no Pods.
func wantedFacts(r *decision.Request, bounds []config.AppliedBinding) []decision.Fact {
	var wanted []decision.Fact
	for _, bound := range bounds {
		for _, fact := range bound.Policy.Facts {
			if !slices.Contains(wanted, fact) && matters(r, fact) {
				wanted = append(wanted, fact)
			}
		}
	}
	return wanted
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

// factNamespace is where to look for facts: for a Namespace, in itself.
func factNamespace(r *decision.Request) string {
	if isNamespace(r) {
		return r.Name
	}
	return r.Namespace.Name
}

// enrich adds to a request what its facts tell: what LimitRanges do to the Pods of a
// workload and to its claims, what autoscaler there is, what is known of claims. What the
// caller's Request shares is copied before it is changed. The prediction is empty where
// there is no workload.
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

// claimsWithFacts tells of claims that volumes name what the namespace has, and of all
// what makes their volumes.
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
	return slices.Concat(prediction.Refusals(), prediction.Clashes(), claimRefusals(r))
}

// claimRefusals is what LimitRanges refuse of the claims that a workload's controller, or
// its Pods, make. One that a volume names exists, or is refused when it is applied.
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

// predictPods adds to a template what becomes of all of its Pods with what will be injected
// into them: what LimitRanges still refuse, and what ResourceQuotas have too little of.
// What the Pods of the stored object use is given back.
func predictPods(r *decision.Request, stored func(*decision.Request) *decision.Request, prediction resources.Prediction, fills []decision.Fill) {
	if r.Workload == nil || !r.Workload.Template {
		return
	}
	filled := prediction.After(enforced(fills))
	if len(fills) > 0 {
		r.Workload.Refusals = refusals(r, filled)
	}
	if len(r.Facts.ResourceQuotas) > 0 {
		r.Workload.Shortages = resources.Shortages(resources.Demand{
			Pods:    filled.Pods(),
			Scope:   request.Scope(r.Workload.Pod),
			Claims:  ownClaims(r.Claims),
			Count:   r.Workload.Count,
			Present: present(stored(r), r.Facts, fills),
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

// self is for a request that is made of what is stored.
func self(r *decision.Request) *decision.Request { return r }

// storedRequest is nil where nothing is stored, or what is stored cannot be read any
// more: all that is used then counts as others'.
func storedRequest(r *decision.Request) *decision.Request {
	if r.Origin == decision.OriginLive {
		return r
	}
	stored, err := request.Old(r)
	if err != nil || stored == nil || stored.Workload == nil {
		return nil
	}
	return stored
}

// present is what the stored object's Pods use now. What will be injected into the new ones
// is taken to have been injected into them.
func present(stored *decision.Request, facts decision.Facts, fills []decision.Fill) *resources.Present {
	if stored == nil {
		return nil
	}
	pods := resources.Predict(resources.PodOf(stored.Workload), facts.LimitRanges).After(enforced(fills)).Pods()
	own := ownClaims(stored.Claims)
	return &resources.Present{
		Pod: pods[0], Scope: request.Scope(stored.Workload.Pod),
		Count:  request.PresentPods(stored.Object, stored.Kind.Kind),
		Claims: slices.DeleteFunc(slices.Clone(own), func(c decision.Claim) bool { return c.Source == decision.ClaimTemplate }),
		Kept:   keptClaims(own, stored.Name, facts.PersistentVolumeClaims),
	}
}

// keptClaims are those that a StatefulSet has made from its templates, and that stay when
// its Pods go: <template>-<StatefulSet>-<ordinal>.
func keptClaims(own []decision.Claim, set string, known []*corev1.PersistentVolumeClaim) []decision.Claim {
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

// Enrich adds to a request what its facts tell, as Decide does before policies are asked:
// for who asks one policy by itself, in a test of it.
func Enrich(r *decision.Request) { predictPods(r, storedRequest, enrich(r), nil) }

// EnrichStored does the same with the stored object of an UPDATE, whose Pods are there.
func EnrichStored(old *decision.Request) { predictPods(old, self, enrich(old), nil) }
