package pipeline

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

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

// sortFindings puts first what costs the writer of the object most.
func sortFindings(findings []decision.Finding) {
	slices.SortStableFunc(findings, func(a, b decision.Finding) int {
		return cmp.Or(cmp.Compare(b.Verdict(), a.Verdict()), strings.Compare(a.Policy, b.Policy),
			strings.Compare(a.Container, b.Container), strings.Compare(a.Key, b.Key), bytes.Compare(a.Digest[:], b.Digest[:]))
	})
}
