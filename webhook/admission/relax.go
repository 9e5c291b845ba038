package admission

import (
	"context"
	"errors"
	"net/http"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// relax answers whether the labels of a Namespace may change. Policies about the Namespace are evaluated at
// /validate only, so that no finding is reported twice.
func (e *endpoint) relax(ctx context.Context, body []byte, decider Decider, o *Observation) (*response, error) {
	req, err := request.Review(body, e.origin)
	var limit *request.LimitError
	var d *decision.Decision
	switch {
	case errors.As(err, &limit):
		if req = limit.Request; req == nil || req.UID == "" {
			return nil, tooLarge(limit)
		}
		o.Request = req
		d = decider.RelaxOversized(limit)
	case err != nil:
		return nil, err
	default:
		o.Request = req
		if d, err = decider.Relax(ctx, req, e.options.Relaxers); err != nil {
			return nil, err
		}
	}
	o.Decision, o.Verdict = d, d.Verdict
	answer := allowed(req)
	answer.AuditAnnotations = d.Annotations()
	answer.Warnings = d.Warnings()
	if d.Verdict == decision.VerdictDeny {
		answer.deny(d.RelaxDenial(req.Subject(), req.User), req, d)
	}
	return answer, nil
}

func tooLarge(limit *request.LimitError) error {
	return &failure{status: http.StatusRequestEntityTooLarge, reason: reasonTooLarge, text: brief(limit.Error()), err: limit}
}
