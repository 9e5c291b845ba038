package limitrange

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
