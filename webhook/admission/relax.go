package admission

import (
	"context"
	"errors"
	"net/http"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/normalize"
)

// relax takes an UPDATE of a Namespace to its answer: whether its labels may change. What
// policies say of the Namespace is asked at /validate, so that nothing is said twice.
func (e *endpoint) relax(ctx context.Context, body []byte, snapshot Decider, c *call) (*response, error) {
	request, err := normalize.Review(body, e.origin)
	var limit *normalize.LimitError
	var d *decision.Decision
	switch {
	case errors.As(err, &limit):
		if request = limit.Request; request == nil || request.UID == "" {
			return nil, tooLarge(limit)
		}
		c.request = request
		d = snapshot.RelaxUnseen(limit, e.options.Decide)
	case err != nil:
		return nil, err
	default:
		c.request = request
		if d, err = snapshot.Relax(ctx, request, e.options.Relaxers, e.options.Decide); err != nil {
			return nil, err
		}
	}
	c.decision, c.verdict = d, d.Verdict
	answer := allowed(request)
	answer.AuditAnnotations = d.Annotations()
	answer.Warnings = d.Warnings()
	if d.Verdict == decision.VerdictDeny {
		answer.deny(d.RelaxDenial(request.Subject(), request.User), request, d)
	}
	return answer, nil
}

func tooLarge(limit *normalize.LimitError) error {
	return &failure{status: http.StatusRequestEntityTooLarge, reason: reasonTooLarge, text: brief(limit.Error()), err: limit}
}
