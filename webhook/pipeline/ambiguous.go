package pipeline

import (
	"context"
	"slices"

	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/normalize"
	"taffrail.dev/webhook/review"
)

// AmbiguousPolicy stands for a policy where an object is refused because it can be read in
// more than one way.
const AmbiguousPolicy = "ambiguous-object"

// decideAmbiguous decides an object that can be read in more than one way: it is refused
// where anything that is enforced applies to its kind, whatever that would have found. nil
// is an object that can be read in one way only, and one that was so before.
func (s *Snapshot) decideAmbiguous(ctx context.Context, r *review.Request, source FactSource, o Options) (*review.Decision, error) {
	if r.Ambiguous == "" || !decided(r) || r.Origin == review.OriginMutating || keepsAmbiguity(r) {
		return nil, nil
	}
	finding := review.Finding{
		Policy: AmbiguousPolicy, Severity: review.SeverityHigh, Key: AmbiguousPolicy,
		Message:     "it can be read in more than one way: " + r.Ambiguous,
		Remediation: "Write each name once, as Kubernetes documents it, and a template as a whole.",
	}
	bounds, err := s.resolveAll(ctx, r, source, o)
	if err != nil {
		return nil, err
	}
	for i := range bounds {
		ask(&finding, &bounds[i], r)
	}
	if finding.Mode == 0 {
		return nil, nil
	}
	d := &review.Decision{}
	guardrail.Join(d, &review.Decision{Findings: []review.Finding{finding}})
	return d, nil
}

// ask puts the finding under the mode of a binding, if none is stricter.
func ask(finding *review.Finding, bound *guardrail.Bound, r *review.Request) {
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
func keepsAmbiguity(r *review.Request) bool {
	if r.Operation != review.Update || rehomed(r) {
		return false
	}
	return r.OldAmbiguous != "" || !normalize.IsRevision(r.Kind.GroupKind()) && extentOf(r) != guardrail.ChangesContent
}
