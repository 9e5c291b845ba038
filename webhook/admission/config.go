package admission

import (
	"context"
	"errors"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// Checker checks objects of Taffrail's own configuration before they are stored. An error means that the object
// could not be checked.
type Checker interface {
	Check(ctx context.Context, r *decision.Request) (*decision.Checked, error)
	// Exempt returns what an Exemption loosens without its author having permission to.
	Exempt(ctx context.Context, r *decision.Request, rights configcheck.Exempters) ([]decision.NotExempting, error)
}

// readConfiguration reads the review of an object of Taffrail's own configuration.
func (e *endpoint) readConfiguration(body []byte, o *Observation) (*decision.Request, error) {
	req, err := request.Review(body, e.origin)
	if limit, ok := errors.AsType[*request.LimitError](err); ok {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, err
	}
	o.Request = req
	return req, nil
}

// check answers the review of a Guardrail, Exemption or Policy. Faults are answered with status 422, as the API
// server does for its own kinds, so that kubectl prints each field on a line of its own.
func (e *endpoint) check(ctx context.Context, body []byte, _ Decider, o *Observation) (*response, error) {
	req, err := e.readConfiguration(body, o)
	if err != nil {
		return nil, err
	}
	checked, err := e.options.Config.Check(ctx, req)
	if err != nil {
		return nil, err
	}
	o.Verdict = decision.VerdictAllow
	answer := allowed(req)
	answer.Warnings = checked.LimitedWarnings()
	if len(answer.Warnings) > 0 {
		o.Verdict = decision.VerdictWarn
	}
	if len(checked.Faults) > 0 {
		o.Verdict = decision.VerdictDeny
		answer.refuse(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, checked.Refusal(req.Subject()), req, causesOf(checked))
	}
	return answer, nil
}

func causesOf(checked *decision.Checked) []metav1.StatusCause {
	var causes []metav1.StatusCause
	for _, fault := range checked.Shown() {
		causes = append(causes, metav1.StatusCause{
			Type: metav1.CauseTypeFieldValueInvalid, Field: fault.Field, Message: fault.Reason,
		})
	}
	return causes
}
