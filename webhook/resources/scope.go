package resources

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"taffrail.dev/webhook/decision"
)

// matchesScopes reports whether a Pod matches the scopes that do not depend on its resources
// (podMatchesScopeFunc in pkg/quota/v1/evaluator/core/pods.go).
func matchesScopes(s decision.PodScope, q *corev1.ResourceQuota) bool {
	for _, name := range q.Spec.Scopes {
		if !matchesScope(s, corev1.ScopedResourceSelectorRequirement{ScopeName: name, Operator: corev1.ScopeSelectorOpExists}) {
			return false
		}
	}
	return q.Spec.ScopeSelector == nil || !slices.ContainsFunc(q.Spec.ScopeSelector.MatchExpressions,
		func(e corev1.ScopedResourceSelectorRequirement) bool { return !matchesScope(s, e) })
}

func matchesScope(s decision.PodScope, e corev1.ScopedResourceSelectorRequirement) bool {
	switch e.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return s.Terminating
	case corev1.ResourceQuotaScopeNotTerminating:
		return !s.Terminating
	case corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return s.CrossNamespaceAffinity
	case corev1.ResourceQuotaScopePriorityClass:
		return matchesPriorityClass(s.PriorityClass, e)
	case corev1.ResourceQuotaScopeBestEffort, corev1.ResourceQuotaScopeNotBestEffort:
		return true // depends on the resources: see inScope
	}
	return false // a scope for claims, or unknown
}

func matchesPriorityClass(class string, e corev1.ScopedResourceSelectorRequirement) bool {
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
	if class != "" {
		set[string(e.ScopeName)] = class
	}
	return requirement.Matches(set)
}
