package rego

import (
	"encoding/json"
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/decision"
)

// newInput returns the input document of policies, without parameters; policies/AUTHORING.md describes its
// fields. It consists of Go maps because OPA converts only those members that rules access. For the same reason
// containers are an object keyed by path: OPA would convert an array as a whole.
func newInput(r *decision.Request) map[string]any {
	input := map[string]any{
		"origin":      string(r.Origin),
		"operation":   string(r.Operation),
		"subresource": r.Subresource,
		"group":       r.Kind.Group,
		"version":     r.Kind.Version,
		"kind":        r.Kind.Kind,
		"name":        r.Name,
		"namespace":   namespaceInput(r),
		"user":        map[string]any{"name": r.User.Name, "groups": r.User.Groups},
		"object":      r.Object,
		"containers":  containersInput(r.Workload),
		"gaps":        gapsInput(r.Workload),
		"claims":      claimsInput(r.Claims),
	}
	if r.Schedule != nil {
		input["schedule"] = scheduleInput(r.Schedule)
	}
	if r.OldObject != nil {
		input["oldObject"] = r.OldObject
	}
	if r.LastApplied != nil {
		input["lastApplied"] = lastAppliedInput(r.LastApplied)
	}
	if r.OldLastApplied != nil {
		input["oldLastApplied"] = lastAppliedInput(r.OldLastApplied)
	}
	if r.HelmRelease {
		input["helmRelease"] = true
	}
	if keys := stringDataInput(r); keys != nil {
		input["stringData"] = keys
	}
	if r.Workload != nil {
		input["workload"] = workloadInput(r.Workload)
	}
	return input
}

func namespaceInput(r *decision.Request) map[string]any {
	return map[string]any{
		"name":           r.Namespace.Name,
		"labels":         r.Namespace.Labels,
		"limitRanges":    names(r.Facts.LimitRanges),
		"resourceQuotas": names(r.Facts.ResourceQuotas),
	}
}

func names[T interface{ GetName() string }](objects []T) []any {
	all := make([]any, 0, len(objects))
	for _, object := range objects {
		all = append(all, object.GetName())
	}
	return all
}

func claimsInput(claims []decision.Claim) map[string]any {
	all := make(map[string]any, len(claims))
	for i := range claims {
		c := &claims[i]
		var class any
		if c.StorageClass != nil {
			class = *c.StorageClass
		}
		all[c.Path] = map[string]any{
			"source": string(c.Source), "path": c.Path, "name": c.Name, "known": c.Known,
			"accessModes": c.AccessModes, "volumeMode": c.VolumeMode, "storageClass": class, "provisioner": c.Provisioner,
		}
	}
	return all
}

func scheduleInput(s *decision.Schedule) map[string]any {
	faults := make([]any, 0, len(s.Faults))
	for _, fault := range s.Faults {
		faults = append(faults, map[string]any{"field": fault.Field, "text": fault.Text, "range": fault.Range})
	}
	zones := make([]any, 0, len(s.Zones))
	for _, zone := range s.Zones {
		zones = append(zones, zone)
	}
	schedule := map[string]any{
		"text": s.Text, "zone": s.Zone, "zones": zones, "valid": s.Valid, "fields": s.Fields, "faults": faults, "daily": s.Daily,
	}
	if s.Interval > 0 {
		schedule["interval"] = s.Interval
	}
	return schedule
}

func lastAppliedInput(applied *decision.LastApplied) map[string]any {
	return map[string]any{"readable": applied.Readable, "data": applied.Data, "stringData": applied.StringData}
}

func workloadInput(w *decision.Workload) map[string]any {
	workload := map[string]any{
		"longRunning": w.LongRunning,
		"template":    w.Template,
		"replicas":    w.Replicas,
		"path":        w.PodPath,
		"specPath":    strings.TrimPrefix(w.PodPath+".spec", "."),
		"pods":        podsInput(w.Count),
		"pod":         w.Pod,
		"refusals":    refusalsInput(w.Refusals),
		"shortages":   shortagesInput(w.Shortages),
	}
	if w.Autoscaler != nil {
		workload["autoscaler"] = autoscalerInput(w.Autoscaler)
	}
	if w.PodResources != nil {
		workload["resources"] = resourcesInput(*w.PodResources)
	}
	return workload
}

func autoscalerInput(a *decision.Autoscaler) map[string]any {
	return map[string]any{"name": a.Name, "minReplicas": a.MinReplicas, "maxReplicas": a.MaxReplicas}
}

func podsInput(c decision.PodCount) map[string]any {
	return map[string]any{"steady": c.Steady, "most": c.Max, "surge": c.Surge, "unavailable": c.Unavailable}
}

func refusalsInput(refusals []decision.Refusal) []any {
	all := make([]any, 0, len(refusals))
	for _, refusal := range refusals {
		all = append(all, withExcess(refusal.Excess, map[string]any{
			"by": refusal.By, "container": refusal.Container, "claim": refusal.Claim, "resource": refusal.Resource,
			"bound": refusal.Bound, "message": refusal.Message, "certain": refusal.Certain,
		}))
	}
	return all
}

func shortagesInput(shortages []decision.Shortage) []any {
	all := make([]any, 0, len(shortages))
	for _, s := range shortages {
		all = append(all, withExcess(s.Excess, map[string]any{
			"by": s.By, "resource": s.Resource, "when": string(s.When), "pods": s.Pods, "needed": s.Needed, "left": s.Left, "hard": s.Hard,
			"container": s.Container, "field": s.Field, "certain": s.Certain,
		}))
	}
	return all
}

// withExcess adds a decimal number to fields, unless it is empty.
func withExcess(excess string, fields map[string]any) map[string]any {
	if excess != "" {
		fields["excess"] = json.Number(excess)
	}
	return fields
}

func containersInput(w *decision.Workload) map[string]any {
	if w == nil {
		return map[string]any{}
	}
	containers := make(map[string]any, len(w.Containers))
	for i := range w.Containers {
		c := &w.Containers[i]
		container := map[string]any{
			"name":    c.Name,
			"type":    string(c.Type),
			"path":    c.Path,
			"pointer": string(c.Pointer()),
			"spec":    c.Spec,
			"image": map[string]any{
				"reference":  c.Image.Reference,
				"valid":      c.Image.Valid,
				"registry":   c.Image.Registry,
				"repository": c.Image.Repository,
				"tag":        c.Image.Tag,
				"digest":     c.Image.Digest,
			},
			"resources": resourcesInput(c.Effective),
		}
		if expanded := expandedInput(c.Spec); expanded != nil {
			container["expanded"] = expanded
		}
		containers[c.Path] = container
	}
	return containers
}

// gapsInput indexes the containers that lack a value by field, so that a complete object costs a policy one
// lookup per field. A limit of the whole Pod also counts as its request, because the API server derives the
// request from it after admission.
func gapsInput(w *decision.Workload) map[string]any {
	gaps := map[string]any{}
	if w == nil {
		return gaps
	}
	for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		podLimit := w.PodResources != nil && positive(w.PodResources.Limits, resource)
		podRequest := podLimit || w.PodResources != nil && positive(w.PodResources.Requests, resource)
		for i := range w.Containers {
			c := &w.Containers[i]
			if c.Type == decision.ContainerEphemeral {
				continue
			}
			if !podRequest && !positive(c.Effective.Requests, resource) {
				addGap(gaps, "requests."+string(resource), c.Path)
			}
			if !podLimit && !positive(c.Effective.Limits, resource) {
				addGap(gaps, "limits."+string(resource), c.Path)
			}
		}
	}
	return gaps
}

func addGap(gaps map[string]any, field, path string) {
	paths, ok := gaps[field].(map[string]any)
	if !ok {
		paths = map[string]any{}
		gaps[field] = paths
	}
	paths[path] = true
}

func positive(list corev1.ResourceList, name corev1.ResourceName) bool {
	quantity, ok := list[name]
	return ok && quantity.Sign() > 0
}

func resourcesInput(resources corev1.ResourceRequirements) map[string]any {
	return map[string]any{"requests": amounts(resources.Requests), "limits": amounts(resources.Limits)}
}

// amounts returns the resources as numbers: see amount.
func amounts(list corev1.ResourceList) map[string]any {
	numbers := make(map[string]any, len(list))
	for name, quantity := range list {
		numbers[string(name)] = amount(name, &quantity)
	}
	return numbers
}

// amount returns CPU in millicores and all other resources in their own unit, rounded up as Kubernetes does.
func amount(name corev1.ResourceName, quantity *resource.Quantity) int64 {
	unit := resource.Scale(0)
	largest := int64(math.MaxInt64)
	if name == corev1.ResourceCPU {
		unit, largest = resource.Milli, math.MaxInt64/1000
	}
	switch { // Quantity returns 0 or the wrong sign for values beyond int64
	case quantity.CmpInt64(largest) > 0:
		return math.MaxInt64
	case quantity.CmpInt64(-largest) < 0:
		return math.MinInt64
	}
	return quantity.ScaledValue(unit)
}
