package pipeline

import (
	"context"
	"slices"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// oversizedPolicy is the policy id in the finding about an object that exceeds the limits of
// inspection.
const oversizedPolicy = "request-limit"

// DecideOversized decides a request whose object exceeds the limits of inspection: it is denied
// if an enforced policy applies to the object's kind and namespace. Without such a policy, the
// Decision has no finding.
func (d *Decider) DecideOversized(ctx context.Context, limit *request.LimitError) (*decision.Decision, error) {
	r := limit.Request
	result := &decision.Decision{Verdict: decision.VerdictAllow}
	if !needsDecision(r) || r.Origin == decision.OriginMutating {
		return result, nil
	}
	if r.Operation == decision.Update && isUnchanged(r) {
		return result, nil // otherwise the object could not lose its finalizers
	}
	bindings, err := d.resolveAll(ctx, r)
	if err != nil {
		return nil, err
	}
	finding := decision.Finding{
		Policy: oversizedPolicy, Message: limit.Error() + ", more than policies inspect", Remediation: limit.Remediation(),
	}
	for i := range bindings {
		applyMode(&finding, &bindings[i], r)
	}
	if finding.Mode != 0 {
		slices.Sort(finding.WouldDenyBy)
		result.Verdict, result.Findings = finding.Mode.Verdict(), []decision.Finding{finding}
	}
	return result, nil
}
