package request

import (
	"taffrail.dev/webhook/decision"
)

// Scope returns the scope of a Pod or a Pod template.
func Scope(pod map[string]any) decision.PodScope {
	spec := mapAt(pod, "spec")
	s := decision.PodScope{}
	s.PriorityClass, _ = spec["priorityClassName"].(string)
	deadline, set := spec["activeDeadlineSeconds"].(int64)
	s.Terminating = set && deadline >= 0
	affinity := mapAt(spec, "affinity")
	for _, name := range []string{"podAffinity", "podAntiAffinity"} {
		s.CrossNamespaceAffinity = s.CrossNamespaceAffinity || crossesNamespaces(mapAt(affinity, name))
	}
	return s
}

// crossesNamespaces implements crossNamespacePodAffinityTerm in
// pkg/quota/v1/evaluator/core/pods.go.
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
		if weighted, _ := item.(map[string]any); crosses(mapAt(weighted, "podAffinityTerm")) {
			return true
		}
	}
	return false
}
