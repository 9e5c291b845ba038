package pipeline

import (
	"context"
	"slices"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// ambiguousPolicy is the policy id in the finding about an object that can be read in more than
// one way.
const ambiguousPolicy = "ambiguous-object"

// decideAmbiguous denies an object that can be read in more than one way if any enforced policy
// applies to its kind, whether or not it has a finding. It returns nil if the object can be
// read in one way only, or was ambiguous before.
func (d *Decider) decideAmbiguous(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	if r.Ambiguous == "" || !needsDecision(r) || r.Origin == decision.OriginMutating || keepsAmbiguity(r) {
		return nil, nil
	}
	finding := decision.Finding{
		Policy: ambiguousPolicy, Severity: decision.SeverityHigh, Key: ambiguousPolicy,
		Message:     "the object can be read in more than one way: " + r.Ambiguous,
		Remediation: "Write each field name once, in the spelling of the Kubernetes documentation, and a template as a whole.",
	}
	bindings, err := d.resolveAll(ctx, r)
	if err != nil {
		return nil, err
	}
	for i := range bindings {
		applyMode(&finding, &bindings[i], r)
	}
	if finding.Mode == 0 {
		return nil, nil
	}
	result := &decision.Decision{Verdict: decision.VerdictAllow}
	join(result, &decision.Decision{Findings: []decision.Finding{finding}})
	return result, nil
}

// applyMode adds a binding's Guardrail to the finding and raises the finding's mode to the
// binding's.
func applyMode(finding *decision.Finding, binding *config.AppliedBinding, r *decision.Request) {
	strictest := config.Strictest{Mode: finding.Mode, Names: finding.Guardrails}
	strictest.Add(binding.EffectiveMode(r, ""), binding.Guardrail.Name)
	finding.Mode, finding.Guardrails = strictest.Mode, strictest.Names
	if binding.WouldDeny(r, "") && !slices.Contains(finding.WouldDenyBy, binding.Guardrail.Name) {
		finding.WouldDeny, finding.WouldDenyBy = true, append(finding.WouldDenyBy, binding.Guardrail.Name)
	}
}

// keepsAmbiguity reports whether an UPDATE leaves the ambiguous part unchanged. The data of a
// ControllerRevision never changes, but it becomes ambiguous if the revision loses an owner of
// another kind, whoever removes that: then a StatefulSet may adopt it.
func keepsAmbiguity(r *decision.Request) bool {
	if r.Operation != decision.Update || rehomed(r) {
		return false
	}
	return r.OldAmbiguous != "" || !request.IsRevision(r.Kind.GroupKind()) && updateScopeOf(r) != changesContent
}
