package request_test

import (
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// An affinity term crosses namespaces by naming or selecting them, even with an empty selector, in any of its
// positions (crossNamespacePodAffinityTerm in pkg/quota/v1/evaluator/core/pods.go).
func TestAffinityAcrossNamespaces(t *testing.T) {
	terms := map[string]struct {
		term string
		want bool
	}{
		"its own namespace":     {`{"topologyKey": "zone"}`, false},
		"no namespaces":         {`{"topologyKey": "zone", "namespaces": []}`, false},
		"a null selector":       {`{"topologyKey": "zone", "namespaceSelector": null}`, false},
		"a label selector":      {`{"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}`, false},
		"a namespace":           {`{"topologyKey": "zone", "namespaces": ["other"]}`, true},
		"two namespaces":        {`{"topologyKey": "zone", "namespaces": ["other", "third"]}`, true},
		"a namespace selector":  {`{"topologyKey": "zone", "namespaceSelector": {"matchLabels": {"a": "b"}}}`, true},
		"every namespace":       {`{"topologyKey": "zone", "namespaceSelector": {}}`, true},
		"a name and a selector": {`{"topologyKey": "zone", "namespaces": ["other"], "namespaceSelector": {}}`, true},
	}
	own := terms["its own namespace"].term
	for name, test := range terms {
		for _, affinity := range []string{"podAffinity", "podAntiAffinity"} {
			for place, list := range map[string]string{
				"required":          `"requiredDuringSchedulingIgnoredDuringExecution": [` + test.term + `]`,
				"required, second":  `"requiredDuringSchedulingIgnoredDuringExecution": [` + own + `, ` + test.term + `]`,
				"preferred":         `"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": ` + test.term + `}]`,
				"preferred, second": `"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": ` + own + `}, {"weight": 1, "podAffinityTerm": ` + test.term + `}]`,
			} {
				pod := parse(t, `{"spec": {"affinity": {"`+affinity+`": {`+list+`}}}}`)
				if got := request.Scope(pod).CrossNamespaceAffinity; got != test.want {
					t.Errorf("%s, %s, %s: got %v", name, affinity, place, got)
				}
			}
		}
	}
}

func TestScopeOfAPod(t *testing.T) {
	for spec, want := range map[string]decision.PodScope{
		`{}`:                            {},
		`{"activeDeadlineSeconds": 0}`:  {Terminating: true},
		`{"activeDeadlineSeconds": 30}`: {Terminating: true},
		`{"activeDeadlineSeconds": -1}`: {},
		`{"priorityClassName": "high"}`: {PriorityClass: "high"},
		`{"affinity": {}}`:              {},
		`{"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}}`:                         {},
		`{"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaceSelector": {}}]}, "podAntiAffinity": {}}}`: {CrossNamespaceAffinity: true},
	} {
		if got := request.Scope(parse(t, `{"spec": `+spec+`}`)); got != want {
			t.Errorf("%s: got %+v", spec, got)
		}
	}
}
