package audit

import (
	"cmp"
	"slices"
	"strings"

	"taffrail.dev/webhook/decision"
)

// counts counts findings by Guardrail, policy and mode, as they come and go: nobody who reads them has to look at all
// findings.
type counts map[string]*guardrailCounts

// guardrailCounts counts what was found under one Guardrail.
type guardrailCounts struct {
	violating int
	policies  map[countKey]*findingCounts
}

type countKey struct {
	policy text
	mode   decision.Mode
}

type findingCounts struct{ findings, objects int }

// add counts the findings of an object n times.
func (c counts) add(object *finding, n int) {
	type seenKey struct {
		guardrail string
		countKey
	}
	seen := map[seenKey]bool{}
	for i := range object.all {
		f := &object.all[i]
		for name := range strings.SplitSeq(f.guardrails.Value(), ",") {
			of, key := c.of(name), countKey{f.policy, f.mode}
			if !seen[seenKey{guardrail: name}] {
				seen[seenKey{guardrail: name}] = true
				of.violating += n
			}
			in := of.policies[key]
			if in == nil {
				in = &findingCounts{}
				of.policies[key] = in
			}
			in.findings += n
			if !seen[seenKey{name, key}] {
				seen[seenKey{name, key}] = true
				in.objects += n
			}
			if *in == (findingCounts{}) {
				delete(of.policies, key)
			}
			if of.violating == 0 && len(of.policies) == 0 {
				delete(c, name)
			}
		}
	}
}

func (c counts) of(guardrail string) *guardrailCounts {
	of := c[guardrail]
	if of == nil {
		of = &guardrailCounts{policies: map[countKey]*findingCounts{}}
		c[guardrail] = of
	}
	return of
}

// PolicyFindings counts the findings of a policy under a Guardrail.
type PolicyFindings struct {
	Policy string
	Mode   decision.Mode
	// Findings are in Objects objects.
	Findings, Objects int
}

// GuardrailFindings is what was found under one Guardrail.
type GuardrailFindings struct {
	// Objects counts those that the Guardrail applies to, and Violating those with a finding.
	Objects, Violating int
	// Policies is sorted by policy and mode.
	Policies []PolicyFindings
}

// counted returns what was found under a Guardrail.
func (f *findings) counted(guardrail string) *GuardrailFindings {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	found := &GuardrailFindings{}
	of := f.counts[guardrail]
	if of == nil {
		return found
	}
	found.Violating = of.violating
	for key, n := range of.policies {
		found.Policies = append(found.Policies, PolicyFindings{Policy: key.policy.Value(), Mode: key.mode, Findings: n.findings, Objects: n.objects})
	}
	slices.SortFunc(found.Policies, func(x, y PolicyFindings) int {
		return cmp.Or(strings.Compare(x.Policy, y.Policy), cmp.Compare(x.Mode, y.Mode))
	})
	return found
}
