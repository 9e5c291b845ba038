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

// identity identifies a violation across edits of an object and across Guardrails.
type identity struct {
	Policy    string
	Container string
	Key       string
	Digest    [sha256.Size]byte
}

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
	// extent is that of an UPDATE. It is set if blocksUpdate reports true.
	extent updateScope
	// stored has the results for the object stored before an UPDATE, one per binding. storedErr
	// is the reason if there are none. One of them is set if needsStored reports true.
	stored    []decision.Result
	storedErr error
	// restored is set if needsRestored reports true.
	restored restored
}

// decide returns the Decision that follows from the evidence, and from the gaps that no rule
// reports. The caller sets Patch and Fills.
func (e *evidence) decide(gaps []decision.Finding) (*decision.Decision, error) {
	candidates, err := e.compared()
	if err != nil {
		return nil, err
	}
	markRestored(candidates, e.restored)
	return e.decision(candidates, gaps), nil
}

// blocksUpdate reports whether an UPDATE would not be admitted if nothing were tolerated.
func (e *evidence) blocksUpdate() bool {
	return e.request.Operation == decision.Update && len(blocking(e.candidates())) > 0
}

// needsStored reports whether the Decision about an UPDATE depends on the stored object.
func (e *evidence) needsStored() bool {
	return len(e.tolerateByScope(blocking(e.candidates()))) > 0
}

// needsRestored reports whether the Decision depends on what the object may be made from, once
// the stored object is known.
func (e *evidence) needsRestored() (bool, error) {
	candidates, err := e.compared()
	return anyDenies(candidates), err
}

// decision merges the candidates, and the gaps that no rule reports, into one Decision.
// Findings with the same policy, container and key are merged under the strictest mode.
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

// commonExemptions returns the Exemptions that all Guardrails of a finding honour.
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

func (e *evidence) candidates() []candidate {
	var all []candidate
	for i, binding := range e.bindings {
		result := &e.results[i]
		if fact, missing := unreadFact(e.request, binding.Policy); missing {
			c := candidate{finding: unreadFinding(binding, e.request, fact), binding: i, violation: -1}
			c.finding.Exemptions = e.exemptions.Exempting(binding.Guardrail, binding.Policy.ID, "")
			all = append(all, c)
		}
		if result.Err != nil {
			c := candidate{finding: failureFinding(binding, binding.EffectiveMode(e.request, ""), result.Err), binding: i, violation: -1}
			if binding.Uncertain && !binding.FailOpen {
				c.finding.Unknown, c.finding.Unselected = e.uncertain(binding), e.request.Namespace.Missing == ""
			}
			c.finding.Exemptions = e.exemptions.Exempting(binding.Guardrail, binding.Policy.ID, "")
			c.finding.WouldDeny = c.finding.Unknown == "" && !c.finding.Exempted() && binding.WouldDeny(e.request, "")
			all = append(all, c)
		}
		for k := range result.Violations {
			violation := &result.Violations[k]
			if e.filled[violation.Path] || e.only != "" && !decision.FieldPath(violation.Path).Within(e.only) {
				continue
			}
			c := candidate{finding: newFinding(binding, binding.EffectiveMode(e.request, violation.Path), violation), binding: i, violation: k}
			if binding.Uncertain {
				c.finding.Unknown, c.finding.Unselected = e.uncertain(binding), e.request.Namespace.Missing == ""
			}
			if why, undecided := e.undecided[violation.Path]; undecided && c.finding.Unknown == "" {
				c.finding.Unknown = why
			}
			c.finding.Exemptions = e.exemptions.Exempting(binding.Guardrail, binding.Policy.ID, violation.Container)
			c.finding.WouldDeny = c.finding.Unknown == "" && !c.finding.Exempted() && !e.wouldFill[violation.Path] && ceiling(violation) == decision.ModeEnforce &&
				binding.WouldDeny(e.request, violation.Path)
			all = append(all, c)
		}
	}
	return all
}

func newFinding(binding config.AppliedBinding, mode decision.Mode, v *decision.Violation) decision.Finding {
	if v.AtMost != 0 {
		mode = min(mode, v.AtMost)
	}
	return decision.Finding{
		Policy:      binding.Policy.ID,
		Guardrails:  []string{binding.Guardrail.Name},
		Mode:        mode,
		Severity:    binding.Policy.Severity,
		Container:   v.Container,
		Path:        v.Path,
		Key:         v.Key,
		Digest:      v.Digest,
		Message:     v.Message,
		Remediation: binding.Policy.Remediation,
		Fix:         v.Fix,
		Unknown:     v.Unknown,
	}
}

func (e *evidence) uncertain(binding config.AppliedBinding) string {
	return fmt.Sprintf("namespace %s %s, and Guardrail %s selects by its labels",
		e.request.Namespace.Name, cmp.Or(e.request.Namespace.Missing, "is not in the input"), binding.Guardrail.Name)
}

// failureFinding returns the finding for an object that a policy fails to evaluate. Under
// failurePolicy Fail it denies like a violation, and Unknown is empty.
func failureFinding(binding config.AppliedBinding, mode decision.Mode, err error) decision.Finding {
	f := decision.Finding{
		Policy:      binding.Policy.ID,
		Guardrails:  []string{binding.Guardrail.Name},
		Mode:        mode,
		Severity:    binding.Policy.Severity,
		Key:         "evaluation",
		Message:     "this policy cannot decide the object: it " + rego.FailureReason(err),
		Remediation: "Make the object simpler or smaller, or ask the author of the policy. With failurePolicy: Ignore, a Guardrail admits what the policy cannot decide.",
		Failed:      true,
		FailOpen:    binding.FailOpen,
	}
	if binding.FailOpen {
		f.Unknown = err.Error()
	}
	return f
}

// UnreadKey is the key of a finding that a policy was not evaluated, because its facts could not be read.
const UnreadKey = "facts"

// unreadFinding returns the finding for an object that a policy cannot decide without facts that
// could not be read.
func unreadFinding(binding config.AppliedBinding, r *decision.Request, fact decision.Fact) decision.Finding {
	return decision.Finding{
		Policy:      binding.Policy.ID,
		Guardrails:  []string{binding.Guardrail.Name},
		Mode:        binding.EffectiveMode(r, ""),
		Severity:    binding.Policy.Severity,
		Key:         UnreadKey,
		Message:     fmt.Sprintf("this policy cannot decide the object, because the %s could not be read", fact),
		Remediation: "Repeat this with permission to read them, or with an export that contains them.",
		Unknown:     r.Facts.Unread[fact],
	}
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
