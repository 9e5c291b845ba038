package pipeline

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
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
		return r.Workload != nil || r.IsNamespace()
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

// factNamespace returns the namespace to read facts from: for a Namespace object, the namespace
// itself.
func factNamespace(r *decision.Request) string {
	if r.IsNamespace() {
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

// Enrich adds to a request what Decide derives from its facts before it evaluates policies.
// Checks of Taffrail's own configuration and tests of a single policy use it.
func Enrich(r *decision.Request) { predictPods(r, newObject, enrich(r), nil) }

// EnrichStored is Enrich for the stored object of an UPDATE, whose Pods exist.
func EnrichStored(old *decision.Request) { predictPods(old, oldObject, enrich(old), nil) }
