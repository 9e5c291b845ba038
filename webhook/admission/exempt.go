package admission

import (
	"context"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/decision"
)

// exempt answers whether the author of an Exemption may loosen what it loosens. Whether the Exemption is valid
// is decided at /config, which may fail open; this path may not.
func (e *endpoint) exempt(ctx context.Context, body []byte, _ Decider, o *Observation) (*response, error) {
	request, err := e.readConfiguration(body, o)
	if err != nil {
		return nil, err
	}
	lacking, err := e.options.Config.Exempt(ctx, request, e.options.Exempters)
	if err != nil {
		return nil, err
	}
	o.Verdict = decision.VerdictAllow
	answer := allowed(request)
	if len(lacking) > 0 {
		o.Verdict = decision.VerdictDeny
		answer.Allowed = false
		answer.Result = &metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
			Message: decision.ExemptDenial(request.Subject(), request.User, lacking),
			Details: &metav1.StatusDetails{Name: request.Name, Group: request.Kind.Group, Kind: request.Kind.Kind},
		}
	}
	return answer, nil
}
