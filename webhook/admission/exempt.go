package admission

import (
	"context"

	"taffrail.dev/webhook/decision"
)

// exempt answers whether the author of an Exemption may loosen what it loosens. Whether the Exemption is valid
// is decided at /config, which may fail open; this path may not.
func (e *endpoint) exempt(ctx context.Context, body []byte, _ Decider, o *Observation) (*response, error) {
	req, err := e.readConfiguration(body, o)
	if err != nil {
		return nil, err
	}
	lacking, err := e.options.Config.Exempt(ctx, req, e.options.Exempters)
	if err != nil {
		return nil, err
	}
	o.Verdict = decision.VerdictAllow
	answer := allowed(req)
	if len(lacking) > 0 {
		o.Verdict = decision.VerdictDeny
		answer.forbid(decision.ExemptDenial(req.Subject(), req.User, lacking), req, nil)
	}
	return answer, nil
}
