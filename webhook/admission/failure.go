package admission

import (
	"context"
	"errors"
	"net/http"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// Reason classifies why a request was not decided. The set is closed, because a Reason is a metric label.
type Reason string

const (
	reasonMethod     Reason = "method"
	reasonMediaType  Reason = "media_type"
	reasonUnreadable Reason = "unreadable"
	reasonSlow       Reason = "slow"
	reasonEvicted    Reason = "evicted"
	reasonMalformed  Reason = "malformed"
	reasonTooLarge   Reason = "too_large"
	reasonNotReady   Reason = "not_ready"
	reasonStopping   Reason = "stopping"
	reasonShed       Reason = "shed"
	reasonDeadline   Reason = "deadline"
	reasonCanceled   Reason = "canceled"
	reasonInternal   Reason = "internal"
	reasonPanic      Reason = "panic"
)

// Reasons returns all Reasons.
func Reasons() []Reason {
	return []Reason{
		reasonMethod, reasonMediaType, reasonUnreadable, reasonSlow, reasonEvicted, reasonMalformed, reasonTooLarge,
		reasonNotReady, reasonStopping, reasonShed, reasonDeadline, reasonCanceled, reasonInternal, reasonPanic,
	}
}

// maxCause limits the text of an HTTP error. The API server reads at most 2048 bytes of it.
const maxCause = 500

// failure is returned when a request is answered with an HTTP error.
type failure struct {
	status int
	reason Reason
	// retry makes the API server retry after a second, which it does for 429 and 5xx.
	retry bool
	// text describes the cause, and never quotes an object.
	text string
	err  error
}

func (f *failure) Error() string { return "taffrail: " + f.text }

func (f *failure) Unwrap() error { return f.err }

// isDefect reports whether the failure needs investigation: it does not recover on its own, and was not yet
// logged as a panic with its stack.
func (f *failure) isDefect() bool {
	return f.status >= http.StatusInternalServerError && f.reason != reasonPanic && !f.retry
}

func internal(err error) *failure {
	return &failure{status: http.StatusInternalServerError, reason: reasonInternal, text: brief("internal error: " + err.Error()), err: err}
}

// failureOf returns the HTTP error for an error of a decision.
func failureOf(ctx context.Context, err error) error {
	var f *failure
	var malformed *request.MalformedError
	var field *request.FieldError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return &failure{status: http.StatusGatewayTimeout, reason: reasonDeadline, text: brief("not decided in time: " + err.Error()), err: err}
	case ctx.Err() != nil:
		// Nobody is left to read this.
		return &failure{status: http.StatusServiceUnavailable, reason: reasonCanceled, text: "the client disconnected", err: err}
	case errors.As(err, &f):
		return f
	case errors.As(err, &malformed), errors.As(err, &field):
		return &failure{status: http.StatusBadRequest, reason: reasonMalformed, text: brief(err.Error()), err: err}
	}
	return internal(err)
}

func brief(text string) string {
	return decision.Line(text, maxCause)
}
