package pipeline

import (
	"context"
	"slices"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"

	"taffrail.dev/webhook/request"
)

// AmbiguousPolicy stands for a policy where an object is refused because it can be read in
// more than one way.
const AmbiguousPolicy = "ambiguous-object"

// decideAmbiguous decides an object that can be read in more than one way: it is refused
// where anything that is enforced applies to its kind, whatever that would have found. nil
// is an object that can be read in one way only, and one that was so before.
func (p *Decider) decideAmbiguous(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	if r.Ambiguous == "" || !decided(r) || r.Origin == decision.OriginMutating || keepsAmbiguity(r) {
		return nil, nil
	}
	finding := decision.Finding{
		Policy: AmbiguousPolicy, Severity: decision.SeverityHigh, Key: AmbiguousPolicy,
		Message:     "it can be read in more than one way: " + r.Ambiguous,
		Remediation: "Write each name once, as Kubernetes documents it, and a template as a whole.",
	}
	bounds, err := p.resolveAll(ctx, r)
	if err != nil {
		return nil, err
	}
	for i := range bounds {
		ask(&finding, &bounds[i], r)
	}
	if finding.Mode == 0 {
		return nil, nil
	}
	d := &decision.Decision{Verdict: decision.VerdictAllow}
	join(d, &decision.Decision{Findings: []decision.Finding{finding}})
	return d, nil
}

// ask puts the finding under the mode of a binding, if none is stricter.
func ask(finding *decision.Finding, bound *config.AppliedBinding, r *decision.Request) {
	mode := bound.EffectiveMode(r, "")
	if mode > finding.Mode {
		finding.Mode, finding.Guardrails = mode, nil
	}
	if mode == finding.Mode && !slices.Contains(finding.Guardrails, bound.Guardrail.Name) {
		finding.Guardrails = append(finding.Guardrails, bound.Guardrail.Name)
	}
	if bound.WouldDeny(r, "") && !slices.Contains(finding.WouldDenyBy, bound.Guardrail.Name) {
		finding.WouldDeny, finding.WouldDenyBy = true, append(finding.WouldDenyBy, bound.Guardrail.Name)
	}
}

// keepsAmbiguity reports whether an UPDATE leaves what is ambiguous as it is. The data of a
// ControllerRevision never changes, but it becomes ambiguous if the revision loses an owner of
// another kind, whoever takes that away: then a StatefulSet may adopt it.
func keepsAmbiguity(r *decision.Request) bool {
	if r.Operation != decision.Update || rehomed(r) {
		return false
	}
	return r.OldAmbiguous != "" || !request.IsRevision(r.Kind.GroupKind()) && updateScope(r) != ChangesContent
}
