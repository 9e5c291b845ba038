package pipeline

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// identity tells violations apart across edits of an object and across Guardrails.
type identity struct {
	Policy    string
	Container string
	Key       string
	Digest    [sha256.Size]byte
}

// evidence is what is known of a request when it is decided what becomes of it.
type evidence struct {
	request  *decision.Request
	bindings []config.AppliedBinding
	// results has one entry per binding.
	results []decision.Result
	// filled are the fields that enforced injections set, as paths in the user's object.
	filled map[string]bool
	// undecided are the fields of which it is not known whether enforced injections will set
	// them, and why.
	undecided map[string]string
	// wouldFill are the fields that injections would set if their Guardrails enforced them.
	wouldFill map[string]bool
	// exemptions are those about the request.
	exemptions config.Exemptions
	// only is the field that findings must be about; empty for any.
	only decision.FieldPath
}

// decision merges what the bindings found, and the gaps that no rule reports, into one
// Decision. Findings with the same policy, container and key are one, under the strictest
// mode. Patch and Fills are the caller's.
func (e *evidence) decision(candidates []candidate, gaps []decision.Finding) *decision.Decision {
	for i := range gaps {
		gaps[i].Exemptions = e.excuseAll(&gaps[i])
	}
	d := &decision.Decision{Findings: append(merge(candidates), gaps...)}
	for i, bound := range e.bindings {
		if err := e.results[i].Err; err != nil {
			if d.Errors == nil {
				d.Errors = map[string]error{}
			}
			d.Errors[bound.Policy.ID] = err
		}
	}
	sortFindings(d.Findings)
	d.Verdict = decision.Worst(d.Findings)
	return d
}

func anyDenies(candidates []candidate) bool {
	return slices.ContainsFunc(candidates, func(c candidate) bool { return c.finding.Denies() })
}

// candidate is a finding as one binding has it.
type candidate struct {
	finding decision.Finding
	// bound is the binding's index among evidence.bindings.
	bound int
	// violation is its index in the binding's result, and negative where the policy could
	// not be evaluated.
	violation int
}

func (c *candidate) identity() identity {
	return identityOf(&c.finding)
}

// excuseAll names the Exemptions that every Guardrail which asks for a finding honours.
func (e *evidence) excuseAll(f *decision.Finding) []string {
	var names []string
	first := true
	for _, bound := range e.bindings {
		if bound.Policy.ID != f.Policy || !slices.Contains(f.Guardrails, bound.Guardrail.Name) {
			continue
		}
		excusing := e.exemptions.Excuse(bound.Guardrail, f.Policy, f.Container)
		if first {
			names, first = excusing, false
		}
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(excusing, name) })
	}
	return names
}

func (e *evidence) candidates() []candidate {
	var all []candidate
	for i, bound := range e.bindings {
		result := &e.results[i]
		if result.Err != nil {
			c := candidate{finding: failureFinding(bound, bound.EffectiveMode(e.request, ""), result.Err), bound: i, violation: -1}
			if bound.Uncertain && !bound.FailOpen {
				c.finding.Unknown, c.finding.Unselected = e.uncertain(bound), true
			}
			c.finding.Exemptions = e.exemptions.Excuse(bound.Guardrail, bound.Policy.ID, "")
			c.finding.WouldDeny = c.finding.Unknown == "" && !c.finding.Exempted() && bound.WouldDeny(e.request, "")
			all = append(all, c)
		}
		for k := range result.Violations {
			violation := &result.Violations[k]
			if e.filled[violation.Path] || e.only != "" && !decision.FieldPath(violation.Path).Within(e.only) {
				continue
			}
			c := candidate{finding: newFinding(bound, bound.EffectiveMode(e.request, violation.Path), violation), bound: i, violation: k}
			if bound.Uncertain {
				c.finding.Unknown, c.finding.Unselected = e.uncertain(bound), true
			}
			if why, undecided := e.undecided[violation.Path]; undecided && c.finding.Unknown == "" {
				c.finding.Unknown = why
			}
			c.finding.Exemptions = e.exemptions.Excuse(bound.Guardrail, bound.Policy.ID, violation.Container)
			c.finding.WouldDeny = c.finding.Unknown == "" && !c.finding.Exempted() && !e.wouldFill[violation.Path] && ceiling(violation) == decision.ModeEnforce &&
				bound.WouldDeny(e.request, violation.Path)
			all = append(all, c)
		}
	}
	return all
}

func newFinding(bound config.AppliedBinding, mode decision.Mode, v *decision.Violation) decision.Finding {
	if v.AtMost != 0 {
		mode = min(mode, v.AtMost)
	}
	return decision.Finding{
		Policy:      bound.Policy.ID,
		Guardrails:  []string{bound.Guardrail.Name},
		Mode:        mode,
		Severity:    bound.Policy.Severity,
		Container:   v.Container,
		Path:        v.Path,
		Key:         v.Key,
		Digest:      v.Digest,
		Message:     v.Message,
		Remediation: bound.Policy.Remediation,
		Fix:         v.Fix,
		Unknown:     v.Unknown,
	}
}

func (e *evidence) uncertain(bound config.AppliedBinding) string {
	return fmt.Sprintf("namespace %s is not in the input: nobody can tell whether Guardrail %s selects it",
		e.request.Namespace.Name, bound.Guardrail.Name)
}

// failureFinding is about an object that a policy cannot decide. Under failurePolicy Fail it denies
// like a violation, and Unknown is empty.
func failureFinding(bound config.AppliedBinding, mode decision.Mode, err error) decision.Finding {
	f := decision.Finding{
		Policy:      bound.Policy.ID,
		Guardrails:  []string{bound.Guardrail.Name},
		Mode:        mode,
		Severity:    bound.Policy.Severity,
		Key:         "evaluation",
		Message:     "this policy cannot decide the object: it " + rego.FailureReason(err),
		Remediation: "Make the object simpler or smaller, or ask whoever wrote the policy. A Guardrail admits what it cannot decide by failurePolicy: Ignore.",
		Failed:      true,
		FailOpen:    bound.FailOpen,
	}
	if bound.FailOpen {
		f.Unknown = err.Error()
	}
	return f
}

func merge(candidates []candidate) []decision.Finding {
	position := map[identity]int{}
	var merged []decision.Finding
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

// sortFindings puts first what costs the writer of the object most.
func sortFindings(findings []decision.Finding) {
	slices.SortStableFunc(findings, func(a, b decision.Finding) int {
		return cmp.Or(cmp.Compare(b.Verdict(), a.Verdict()), strings.Compare(a.Policy, b.Policy),
			strings.Compare(a.Container, b.Container), strings.Compare(a.Key, b.Key), bytes.Compare(a.Digest[:], b.Digest[:]))
	})
}
