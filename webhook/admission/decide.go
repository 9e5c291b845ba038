package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// decide answers one AdmissionReview.
func (e *endpoint) decide(ctx context.Context, body []byte, decider Decider, o *Observation) (*response, error) {
	req, err := request.Review(body, e.origin)
	var limit *request.LimitError
	switch {
	case errors.As(err, &limit):
		return e.oversized(ctx, limit, decider, o)
	case err != nil:
		return nil, err
	}
	o.Request = req

	d, err := decider.Decide(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil && len(d.Errors) > 0 {
		return nil, err // the deadline has passed: the policies are not at fault
	}
	o.Decision, o.Verdict = d, d.Verdict
	if e.origin == decision.OriginMutating {
		return mutated(req, d)
	}
	return validated(req, d)
}

// oversized answers the review of an object that exceeds the limits of inspection.
func (e *endpoint) oversized(ctx context.Context, limit *request.LimitError, decider Decider, o *Observation) (*response, error) {
	req := limit.Request
	if req == nil || req.UID == "" {
		return nil, tooLarge(limit)
	}
	o.Request, o.Verdict = req, decision.VerdictAllow
	d, err := decider.DecideOversized(ctx, limit)
	if err != nil {
		return nil, err
	}
	if len(d.Findings) == 0 {
		return allowed(req), nil
	}
	o.Decision, o.Verdict = d, d.Verdict
	return validated(req, d)
}

var errNoDenial = errors.New("a decision denies, but none of its findings does")

// validated returns the answer at /validate: all findings, and what would be injected into the Pods of a
// template, because the template's author never sees the answers to requests for its Pods.
func validated(request *decision.Request, d *decision.Decision) (*response, error) {
	answer := allowed(request)
	answer.AuditAnnotations = d.Annotations()
	answer.Warnings = append(d.Warnings(), d.FillWarnings()...)
	if d.Verdict == decision.VerdictDeny {
		text := d.Denial(request.Subject())
		if text == "" {
			return nil, errNoDenial
		}
		answer.deny(text, request, d)
	}
	return answer, nil
}

// mutated returns the answer at /mutate: the patch, and what it would patch or could not. It denies only if an
// enforced injection could not be evaluated, because /validate does not evaluate injections of Pods. All other
// findings, and what would be injected into the Pods of a template, are reported at /validate, after all
// webhooks have changed the object.
func mutated(request *decision.Request, d *decision.Decision) (*response, error) {
	answer := allowed(request)
	if request.Workload != nil && request.Workload.Template {
		return answer, nil
	}
	answer.AuditAnnotations = d.Annotations()
	answer.Warnings = append(d.Warnings(), d.FillWarnings()...)
	if slices.ContainsFunc(d.Findings, func(f decision.Finding) bool { return f.Failed && f.Denies() }) {
		answer.deny(d.Denial(request.Subject()), request, d)
		return answer, nil
	}
	if err := answer.patch(d.Patch); err != nil {
		return nil, fmt.Errorf("encoding the patch: %w", err)
	}
	return answer, nil
}
