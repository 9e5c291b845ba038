package resources

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/decision"
)

// Each scope of a ResourceQuota, by list and by selector, with a Pod that matches it and one that does not, as
// described in the API reference.
func TestEveryScopeOfAQuota(t *testing.T) {
	idle, busy := pod(app("a", "")), pod(app("a", "cpu=1"))
	type of struct {
		scope decision.PodScope
		pod   Pod
	}
	for scope, test := range map[corev1.ResourceQuotaScope]struct{ in, out of }{
		corev1.ResourceQuotaScopeTerminating:               {of{decision.PodScope{Terminating: true}, busy}, of{decision.PodScope{}, busy}},
		corev1.ResourceQuotaScopeNotTerminating:            {of{decision.PodScope{}, busy}, of{decision.PodScope{Terminating: true}, busy}},
		corev1.ResourceQuotaScopeBestEffort:                {of{decision.PodScope{}, idle}, of{decision.PodScope{}, busy}},
		corev1.ResourceQuotaScopeNotBestEffort:             {of{decision.PodScope{}, busy}, of{decision.PodScope{}, idle}},
		corev1.ResourceQuotaScopePriorityClass:             {of{decision.PodScope{PriorityClass: "high"}, busy}, of{decision.PodScope{}, busy}},
		corev1.ResourceQuotaScopeCrossNamespacePodAffinity: {of{decision.PodScope{CrossNamespaceAffinity: true}, busy}, of{decision.PodScope{}, busy}},
	} {
		byList := &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Scopes: []corev1.ResourceQuotaScope{scope}}}
		bySelector := &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{ScopeSelector: &corev1.ScopeSelector{
			MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists}},
		}}}
		for _, q := range []*corev1.ResourceQuota{byList, bySelector} {
			if !matchesScopes(test.in.scope, q) || !inScope(q, &test.in.pod) {
				t.Errorf("a Pod is not in the scope %s: %+v", scope, q.Spec)
			}
			if matchesScopes(test.out.scope, q) && inScope(q, &test.out.pod) {
				t.Errorf("a Pod is in the scope %s: %+v", scope, q.Spec)
			}
		}
	}
	for _, foreign := range []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeVolumeAttributesClass, "Unknown"} {
		if matchesScopes(decision.PodScope{}, &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Scopes: []corev1.ResourceQuotaScope{foreign}}}) {
			t.Errorf("a Pod is in the scope %s", foreign)
		}
	}
}

// A Pod must match every scope.
func TestScopesOfAQuotaAddUp(t *testing.T) {
	expression := func(name corev1.ResourceQuotaScope) corev1.ScopedResourceSelectorRequirement {
		return corev1.ScopedResourceSelectorRequirement{ScopeName: name, Operator: corev1.ScopeSelectorOpExists}
	}
	q := &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{
		Scopes: []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeTerminating},
		ScopeSelector: &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{
			expression(corev1.ResourceQuotaScopePriorityClass), expression(corev1.ResourceQuotaScopeCrossNamespacePodAffinity),
		}},
	}}
	all := decision.PodScope{Terminating: true, PriorityClass: "high", CrossNamespaceAffinity: true}
	if !matchesScopes(all, q) {
		t.Error("a Pod in every scope is not in the quota's")
	}
	for name, lacks := range map[string]func(*decision.PodScope){
		"a deadline": func(s *decision.PodScope) { s.Terminating = false },
		"a class":    func(s *decision.PodScope) { s.PriorityClass = "" },
		"affinity":   func(s *decision.PodScope) { s.CrossNamespaceAffinity = false },
	} {
		some := all
		lacks(&some)
		if matchesScopes(some, q) {
			t.Errorf("a Pod without %s is in the quota's scopes", name)
		}
	}
}

func TestPriorityClassOfAQuota(t *testing.T) {
	for name, test := range map[string]struct {
		class    string
		operator corev1.ScopeSelectorOperator
		values   []string
		want     bool
	}{
		"in":                         {"high", corev1.ScopeSelectorOpIn, []string{"low", "high"}, true},
		"not in":                     {"high", corev1.ScopeSelectorOpIn, []string{"low"}, false},
		"none in":                    {"", corev1.ScopeSelectorOpIn, []string{"low"}, false},
		"not in, and wanted so":      {"high", corev1.ScopeSelectorOpNotIn, []string{"low"}, true},
		"in, and wanted otherwise":   {"low", corev1.ScopeSelectorOpNotIn, []string{"low"}, false},
		"none, and wanted otherwise": {"", corev1.ScopeSelectorOpNotIn, []string{"low"}, true},
		"any":                        {"high", corev1.ScopeSelectorOpExists, nil, true},
		"any, and there is none":     {"", corev1.ScopeSelectorOpExists, nil, false},
		"none":                       {"", corev1.ScopeSelectorOpDoesNotExist, nil, true},
		"none, and there is one":     {"high", corev1.ScopeSelectorOpDoesNotExist, nil, false},
		"no operator":                {"high", "Like", []string{"high"}, false},
		"no values":                  {"high", corev1.ScopeSelectorOpIn, nil, false},
	} {
		q := &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{ScopeSelector: &corev1.ScopeSelector{
			MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: test.operator, Values: test.values}},
		}}}
		if got := matchesScopes(decision.PodScope{PriorityClass: test.class}, q); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
