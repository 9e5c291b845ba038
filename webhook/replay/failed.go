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
	// reached is a write that was refused after /validate: by a quota, because the object exists already, or by
	// Taffrail.
	reached
	// unreached is a write that was refused before /validate.
	unreached
	// unclear is a write that failed at a point that the log does not show.
	unclear
)

// stageOf returns how far a write has come. The order in the API server is: authorization, mutating webhooks,
// LimitRanges and Pod Security, validation (422), /validate, quotas, and storage.
func stageOf(e *auditlog.Event) stage {
	message := e.Status.Message
	switch code := e.Status.Code; {
	case code == 0 && e.ResponseObject == nil, code >= serverError:
		return unclear
	case code < badRequest:
		return succeeded
	case code == conflict && e.Status.Reason == "AlreadyExists":
		return reached
	case code != forbidden || e.Annotations["authorization.k8s.io/decision"] == "forbid":
		return unreached
	case strings.Contains(message, "exceeded quota: "), strings.Contains(message, "failed quota: "):
		return reached
	}
	_, rest, found := strings.Cut(message, `admission webhook "`)
	if !found {
		return unreached
	}
	webhook, _, _ := strings.Cut(rest, `"`)
	switch {
	case !strings.HasSuffix(webhook, ".taffrail.dev"):
		return unclear // it may be mutating or validating
	case strings.Contains(webhook, "validate.taffrail.dev"):
		return reached
	}
	return unreached
}
