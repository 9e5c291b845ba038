package pipeline

import (
	"cmp"
	"fmt"
	"slices"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// evidence is everything that the decision about a request is derived from.
type evidence struct {
	request  *decision.Request
	bindings []config.AppliedBinding
	// results has one entry per binding.
	results []decision.Result
	// filled has the fields that enforced injections set, as paths in the user's object.
	filled map[string]bool
	// undecided has the fields for which it is unknown whether an enforced injection sets them,
	// with the reason.
	undecided map[string]string
	// wouldFill has the fields that injections would set if their Guardrails enforced them.
	wouldFill map[string]bool
	// exemptions are those that match the request.
	exemptions config.Exemptions
	// only restricts findings to a field and those below it; empty means no restriction.
	only decision.FieldPath
}

// decision merges the candidates, and the gaps that no rule reports, into one Decision.
// Findings with the same policy, container and key are merged under the strictest mode. The caller
// sets Patch and Fills.
func (e *evidence) decision(candidates []candidate, gaps []decision.Finding) *decision.Decision {
	for i := range gaps {
		gaps[i].Exemptions = e.commonExemptions(&gaps[i])
	}
	result := &decision.Decision{Findings: append(merge(candidates), gaps...)}
	for i, binding := range e.bindings {
		if err := e.results[i].Err; err != nil {
			if result.Errors == nil {
				result.Errors = map[string]error{}
			}
			result.Errors[binding.Policy.ID] = err
		}
	}
	sortFindings(result.Findings)
	result.Verdict = decision.Worst(result.Findings)
	return result
}

func anyDenies(candidates []candidate) bool {
	return slices.ContainsFunc(candidates, func(c candidate) bool { return c.finding.Denies() })
}

// candidate is the finding of a single binding, before merging.
type candidate struct {
	finding decision.Finding
	// binding is the index in evidence.bindings.
	binding int
	// violation is the index in the binding's result, or negative if the policy failed to
	// evaluate.
	violation int
}

func (c *candidate) identity() identity {
	return identityOf(&c.finding)
}

// commonExemptions returns the Exemptions that all Guardrails of a finding honor.
func (e *evidence) commonExemptions(f *decision.Finding) []string {
	var names []string
	first := true
	for _, binding := range e.bindings {
		if binding.Policy.ID != f.Policy || !slices.Contains(f.Guardrails, binding.Guardrail.Name) {
			continue
		}
		exempting := e.exemptions.Exempting(binding.Guardrail, f.Policy, f.Container)
		if first {
			names, first = exempting, false
		}
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(exempting, name) })
	}
	return names
}

// candidates returns the findings of all bindings. Nothing is tolerated yet.
func (e *evidence) candidates() []candidate {
	total := 0
	for i := range e.results {
		total += len(e.results[i].Violations)
		if e.results[i].Err != nil {
			total++
		}
	}
	all := make([]candidate, 0, total)
	for i, binding := range e.bindings {
		result := &e.results[i]
		if fact, missing := unreadFact(e.request, binding.Policy); missing {
			all = append(all, e.unreadCandidate(i, fact))
		}
		if result.Err != nil {
			all = append(all, e.failureCandidate(i))
		}
		for k := range result.Violations {
			if v := &result.Violations[k]; e.filled[v.Path] || !e.concerns(v) {
				continue
			}
			all = append(all, e.violationCandidate(i, k))
		}
	}
	return all
}

// concerns reports whether a violation may be about what findings are restricted to.
func (e *evidence) concerns(v *decision.Violation) bool {
	path := decision.FieldPath(v.Path)
	return e.only == "" || path.Within(e.only) || v.Several && (path == "" || e.only.Within(path))
}

// unreadCandidate returns the finding of a binding whose policy needs a fact that could not be
// read.
func (e *evidence) unreadCandidate(i int, fact decision.Fact) candidate {
	c := candidate{finding: unreadFinding(e.bindings[i], e.request, fact), binding: i, violation: -1}
	e.complete(&c, "", false)
	return c
}

// failureCandidate returns the finding of a binding whose policy failed.
func (e *evidence) failureCandidate(i int) candidate {
	binding := e.bindings[i]
	c := candidate{finding: failureFinding(binding, binding.EffectiveMode(e.request, ""), e.results[i].Err), binding: i, violation: -1}
	e.complete(&c, "", binding.Uncertain && !binding.FailOpen)
	return c
}

// violationCandidate returns the finding of a binding for the kth violation of its policy.
func (e *evidence) violationCandidate(i, k int) candidate {
	binding, violation := e.bindings[i], &e.results[i].Violations[k]
	c := candidate{finding: newFinding(binding, binding.EffectiveMode(e.request, violation.Path), violation), binding: i, violation: k}
	e.complete(&c, violation.Path, binding.Uncertain)
	c.finding.WouldDeny = c.finding.WouldDeny && !e.wouldFill[violation.Path] && maxViolationMode(violation) == decision.ModeEnforce
	return c
}

// complete sets what is unknown about a finding at a path, what exempts from it, and whether it
// would deny.
func (e *evidence) complete(c *candidate, path string, uncertain bool) {
	binding, f := e.bindings[c.binding], &c.finding
	if uncertain {
		f.Unknown, f.Unselected = e.uncertain(binding), e.request.Namespace.Missing == ""
	}
	if why, undecided := e.undecided[path]; undecided && f.Unknown == "" {
		f.Unknown = why
	}
	f.Exemptions = e.exemptions.Exempting(binding.Guardrail, binding.Policy.ID, f.Container)
	f.WouldDeny = f.Unknown == "" && !f.Exempted() && binding.WouldDeny(e.request, path)
}

func (e *evidence) uncertain(binding config.AppliedBinding) string {
	return fmt.Sprintf("namespace %s %s, and Guardrail %s selects by its labels",
		e.request.Namespace.Name, cmp.Or(e.request.Namespace.Missing, "is not in the input"), binding.Guardrail.Name)
}

func merge(candidates []candidate) []decision.Finding {
	if len(candidates) == 0 {
		return nil
	}
	position := make(map[identity]int, len(candidates))
	merged := make([]decision.Finding, 0, len(candidates))
	for i := range candidates {
		c := &candidates[i]
		if c.finding.WouldDeny {
			c.finding.WouldDenyBy = c.finding.Guardrails
		}
		at, known := position[c.identity()]
		if !known {
			position[c.identity()] = len(merged)
			merged = append(merged, c.finding)
			continue
		}
		combine(&merged[at], &c.finding)
	}
	return merged
}
