package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"taffrail.dev/webhook/normalize"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/review"
)

// decide takes the body of one AdmissionReview to its answer.
func (e *endpoint) decide(ctx context.Context, body []byte, snapshot Decider, c *call) (*response, error) {
	request, err := normalize.Review(body, e.origin)
	var limit *normalize.LimitError
	switch {
	case errors.As(err, &limit):
		return e.unseen(ctx, limit, snapshot, c)
	case err != nil:
		return nil, err
	}
	c.request = request

	decision, err := snapshot.Decide(ctx, request, e.options.Facts, e.options.Decide)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil && len(decision.Errors) > 0 {
		return nil, err // the policies are late, not broken
	}
	c.decision, c.verdict = decision, decision.Verdict
	if e.origin == review.OriginMutating {
		return mutated(request, decision)
	}
	return validated(request, decision)
}

// limitAnnotation is the key of the audit annotation for objects that were not looked at.
const limitAnnotation = "request-limit"

// unseen answers for an object that is too much to be looked at: refused
// where anything that is enforced applies to its kind and namespace.
func (e *endpoint) unseen(ctx context.Context, limit *normalize.LimitError, snapshot Decider, c *call) (*response, error) {
	request := limit.Request
	if request == nil || request.UID == "" {
		return nil, tooLarge(limit)
	}
	c.request, c.verdict = request, review.VerdictAllow
	answer := allowed(request)
	if e.origin == review.OriginMutating {
		// What is to be said of it, /validate says.
		return answer, nil
	}
	if request.Operation != review.Create && request.Operation != review.Update {
		return answer, nil
	}
	if request.Operation == review.Update && pipeline.Unchanged(request) {
		return answer, nil // or it could not lose its finalizers
	}
	mode, guardrails, err := snapshot.Strictest(ctx, request, e.options.Facts, e.options.Decide)
	if err != nil {
		return nil, err
	}
	if mode == 0 {
		return answer, nil
	}
	wouldDenyBy, err := snapshot.WouldRefuse(ctx, request, e.options.Facts, e.options.Decide)
	if err != nil {
		return nil, err
	}
	finding := review.Finding{
		Policy: limitAnnotation, Guardrails: guardrails, Mode: mode, WouldDeny: len(wouldDenyBy) > 0, WouldDenyBy: wouldDenyBy,
		Message:     limit.Error() + ", more than policies look at",
		Remediation: "Make the object smaller, or split it into several.",
	}
	switch limit.What {
	case "depth":
		finding.Remediation = "Nest the object less deeply."
	case "containers":
		finding.Remediation = "Split the Pod."
	case "exponent":
		finding.Remediation = "Write quantities as in 100m or 128Mi."
	}
	decision := &review.Decision{Verdict: review.VerdictAllow, Findings: []review.Finding{finding}}
	switch mode {
	case review.ModeEnforce:
		decision.Verdict = review.VerdictDeny
	case review.ModeWarn:
		decision.Verdict = review.VerdictWarn
	case review.ModeAudit:
	}
	c.decision, c.verdict = decision, decision.Verdict
	return validated(request, decision)
}

var errNoDenial = errors.New("a decision denies without a finding that does")

// validated answers at /validate: everything about findings, and what would be filled in
// the Pods of a template, which reach /mutate without their writer.
func validated(request *review.Request, d *review.Decision) (*response, error) {
	answer := allowed(request)
	answer.AuditAnnotations = d.Annotations()
	answer.Warnings = append(d.Warnings(), d.FillWarnings()...)
	if d.Verdict == review.VerdictDeny {
		text := d.Denial(request.Subject())
		if text == "" {
			return nil, errNoDenial
		}
		answer.deny(text, request, d)
	}
	return answer, nil
}

// mutated answers at /mutate: it patches, and tells what it would patch or could not. It denies
// only what an enforced injection cannot decide: /validate does not evaluate injections of Pods.
// What else is wrong with the object is said there, after everybody has changed it, and templates
// are told there of their Pods' fills.
func mutated(request *review.Request, d *review.Decision) (*response, error) {
	answer := allowed(request)
	if request.Workload != nil && request.Workload.Template {
		return answer, nil
	}
	answer.AuditAnnotations = d.Annotations()
	answer.Warnings = append(d.Warnings(), d.FillWarnings()...)
	if slices.ContainsFunc(d.Findings, func(f review.Finding) bool { return f.Failed && f.Denies() }) {
		answer.deny(d.Denial(request.Subject()), request, d)
		return answer, nil
	}
	if err := answer.patch(d.Patch); err != nil {
		return nil, fmt.Errorf("encoding the patch: %w", err)
	}
	return answer, nil
}
