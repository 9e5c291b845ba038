package admission

import (
	"context"
	"errors"
	"net/http"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// Reason classifies why a request was not decided. It is the label of a metric: the set is
// closed.
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

// Reasons returns all of them.
func Reasons() []Reason {
	return []Reason{
		reasonMethod, reasonMediaType, reasonUnreadable, reasonSlow, reasonEvicted, reasonMalformed, reasonTooLarge,
		reasonNotReady, reasonStopping, reasonShed, reasonDeadline, reasonCanceled, reasonInternal, reasonPanic,
	}
}

// maxCause bounds the text of an HTTP error; the API server reads 2048 bytes of it.
const maxCause = 500

// failure is a request that is answered with an HTTP error.
type failure struct {
	status int
	reason Reason
	// retry asks the API server to try again in a second. It does for 429 and 5xx.
	retry bool
	// text names the cause, never any content of an object.
	text string
	err  error
}

func (f *failure) Error() string { return "taffrail: " + f.text }

func (f *failure) Unwrap() error { return f.err }

// isDefect reports whether somebody has to look into it: nobody else recovers from it, and no
// panic was logged with its stack already.
func (f *failure) isDefect() bool {
	return f.status >= http.StatusInternalServerError && f.reason != reasonPanic && !f.retry
}

func internal(err error) *failure {
	return &failure{status: http.StatusInternalServerError, reason: reasonInternal, text: brief("internal error: " + err.Error()), err: err}
}

// failureOf maps what came back from deciding to an HTTP error.
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
