package limitrange

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// Scope is what of a Pod decides, beside its resources, which quotas it counts for.
type Scope struct {
	PriorityClass string
	// Terminating Pods have an active deadline.
	Terminating bool
	// CrossNamespaceAffinity is that to Pods, or against them, in named or selected namespaces.
	CrossNamespaceAffinity bool
}

// ScopeOf reads the Scope of a Pod, or of the template of Pods. A Pod that names no
// priority class may get a default one from the cluster, which is not known here.
func ScopeOf(pod map[string]any) Scope {
	spec := member(pod, "spec")
	s := Scope{}
	s.PriorityClass, _ = spec["priorityClassName"].(string)
	deadline, set := spec["activeDeadlineSeconds"].(int64)
	s.Terminating = set && deadline >= 0
	affinity := member(spec, "affinity")
	for _, name := range []string{"podAffinity", "podAntiAffinity"} {
		s.CrossNamespaceAffinity = s.CrossNamespaceAffinity || crossesNamespaces(member(affinity, name))
	}
	return s
}

// crossesNamespaces follows crossNamespacePodAffinityTerm in pkg/quota/v1/evaluator/core/pods.go.
func crossesNamespaces(affinity map[string]any) bool {
	crosses := func(term map[string]any) bool {
		namespaces, _ := term["namespaces"].([]any)
		return len(namespaces) > 0 || term["namespaceSelector"] != nil
	}
	required, _ := affinity["requiredDuringSchedulingIgnoredDuringExecution"].([]any)
	for _, item := range required {
		if term, _ := item.(map[string]any); crosses(term) {
			return true
		}
	}
	preferred, _ := affinity["preferredDuringSchedulingIgnoredDuringExecution"].([]any)
	for _, item := range preferred {
		if weighted, _ := item.(map[string]any); crosses(member(weighted, "podAffinityTerm")) {
			return true
		}
	}
	return false
}

// within tells whether a Pod meets the scopes that its resources do not decide
// (podMatchesScopeFunc in pkg/quota/v1/evaluator/core/pods.go).
func (s Scope) within(q *corev1.ResourceQuota) bool {
	for _, name := range q.Spec.Scopes {
		if !s.meets(corev1.ScopedResourceSelectorRequirement{ScopeName: name, Operator: corev1.ScopeSelectorOpExists}) {
			return false
		}
	}
	return q.Spec.ScopeSelector == nil || !slices.ContainsFunc(q.Spec.ScopeSelector.MatchExpressions,
		func(e corev1.ScopedResourceSelectorRequirement) bool { return !s.meets(e) })
}

func (s Scope) meets(e corev1.ScopedResourceSelectorRequirement) bool {
	switch e.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return s.Terminating
	case corev1.ResourceQuotaScopeNotTerminating:
		return !s.Terminating
	case corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return s.CrossNamespaceAffinity
	case corev1.ResourceQuotaScopePriorityClass:
		return s.meetsPriority(e)
	case corev1.ResourceQuotaScopeBestEffort, corev1.ResourceQuotaScopeNotBestEffort:
		return true // decided by the resources: see inScope
	}
	return false // about claims, or not known
}

func (s Scope) meetsPriority(e corev1.ScopedResourceSelectorRequirement) bool {
	operator, ok := map[corev1.ScopeSelectorOperator]selection.Operator{
		corev1.ScopeSelectorOpIn: selection.In, corev1.ScopeSelectorOpNotIn: selection.NotIn,
		corev1.ScopeSelectorOpExists: selection.Exists, corev1.ScopeSelectorOpDoesNotExist: selection.DoesNotExist,
	}[e.Operator]
	if !ok {
		return false
	}
	requirement, err := labels.NewRequirement(string(e.ScopeName), operator, e.Values)
	if err != nil {
		return false
	}
	set := labels.Set{}
	if s.PriorityClass != "" {
		set[string(e.ScopeName)] = s.PriorityClass
	}
	return requirement.Matches(set)
}
