package replay

import (
	"strings"

	"taffrail.dev/webhook/replay/auditlog"
)

// The HTTP codes that matter. A code from badRequest on is a failure.
const (
	created     = 201
	badRequest  = 400
	forbidden   = 403
	conflict    = 409
	serverError = 500
)

// stage is how far a write has come.
type stage int

const (
	// succeeded is a write that was stored.
	succeeded stage = iota
	// reached is a write that was refused after or during validation: by a quota, because the object exists already, or by
	// Taffrail.
	reached
	// unreached is a write that was refused before /validate.
	unreached
	// unclear is a write that failed at a point that the log does not show.
	unclear
)

// stageOf returns how far a write has come. The order in the API server is: authorization, mutating webhooks,
// LimitRanges and Pod Security, validation (422), all validating webhooks, quotas, and storage.
func stageOf(e *auditlog.Event) stage {
	message := e.Status.Message
	code := e.Status.Code
	if code == 0 && e.ResponseObject == nil {
		return unclear
	}
	if code < badRequest {
		return succeeded
	}
	// A webhook chooses the code of its refusal.
	if rest, found := strings.CutPrefix(message, `admission webhook "`); found {
		webhook, _, _ := strings.Cut(rest, `"`)
		switch {
		case !strings.HasSuffix(webhook, ".taffrail.dev"):
			return unclear // it may be mutating or validating
		case strings.HasPrefix(webhook, "mutate."):
			return unreached
		}
		return reached
	}
	switch {
	case code >= serverError:
		return unclear
	case code == conflict && e.Status.Reason == "AlreadyExists":
		return reached
	case code != forbidden || e.Annotations["authorization.k8s.io/decision"] == "forbid":
		return unreached
	case strings.Contains(message, "exceeded quota: "), strings.Contains(message, "failed quota: "):
		return reached
	}
	return unreached
}
