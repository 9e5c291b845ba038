package admission

import (
	"context"
	"errors"
	"net/http"

	"taffrail.dev/webhook/normalize"
	"taffrail.dev/webhook/review"
)

// relax takes an UPDATE of a Namespace to its answer: whether its labels may change. What
// policies say of the Namespace is asked at /validate, so that nothing is said twice.
func (e *endpoint) relax(ctx context.Context, body []byte, snapshot Decider, c *call) (*response, error) {
	request, err := normalize.Review(body, e.origin)
	var limit *normalize.LimitError
	var decision *review.Decision
	switch {
	case errors.As(err, &limit):
		if request = limit.Request; request == nil || request.UID == "" {
			return nil, tooLarge(limit)
		}
		c.request = request
		decision = snapshot.RelaxUnseen(limit, e.options.Decide)
	case err != nil:
		return nil, err
	default:
		c.request = request
		if decision, err = snapshot.Relax(ctx, request, e.options.Relaxers, e.options.Decide); err != nil {
			return nil, err
		}
	}
	c.decision, c.verdict = decision, decision.Verdict
	answer := allowed(request)
	answer.AuditAnnotations = decision.Annotations()
	answer.Warnings = decision.Warnings()
	if decision.Verdict == review.VerdictDeny {
		answer.deny(decision.RelaxDenial(request.Subject(), request.User), request, decision)
	}
	return answer, nil
}

func tooLarge(limit *normalize.LimitError) error {
	return &failure{status: http.StatusRequestEntityTooLarge, reason: reasonTooLarge, text: brief(limit.Error()), err: limit}
}
