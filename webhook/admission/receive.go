package admission

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"time"

	"taffrail.dev/webhook/normalize"
)

const (
	// defaultTimeout holds where the API server names none; it is also the default of
	// timeoutSeconds in a webhook configuration.
	defaultTimeout = 10 * time.Second
	// longestTimeout is the most that timeoutSeconds may be.
	longestTimeout = 30 * time.Second
	// mostMargin is the most that is kept back of a timeout to get an answer across.
	mostMargin = 500 * time.Millisecond

	// maxBody is one byte more than is decoded, so that a body of exactly MaxBytes can
	// be told from a longer one.
	maxBody = normalize.MaxBytes + 1
	// trusted is how much of Content-Length is believed before anything has arrived.
	trusted = 256 << 10
)

func checkHeader(r *http.Request) error {
	if r.Method != http.MethodPost {
		return &failure{status: http.StatusMethodNotAllowed, reason: reasonMethod, text: "use POST"}
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return &failure{status: http.StatusUnsupportedMediaType, reason: reasonMediaType, text: "Content-Type must be application/json", err: err}
	}
	return nil
}

// timeLeft is how long a decision may take. The API server appends timeout=10s to the
// query, rounded up to a second; what it will really wait may be less, in which case it
// hangs up and the request's context ends.
func timeLeft(r *http.Request) time.Duration {
	timeout, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil || timeout <= 0 {
		timeout = defaultTimeout
	}
	timeout = min(timeout, longestTimeout)
	return timeout - min(timeout/10, mostMargin)
}

// mostOf is how many bytes readBody may come to hold.
func mostOf(r *http.Request) int64 {
	if r.ContentLength < 0 {
		return maxBody
	}
	return min(r.ContentLength, maxBody)
}

// readBody reads at most maxBody bytes.
func readBody(r *http.Request) ([]byte, error) {
	var buffer bytes.Buffer
	if r.ContentLength > 0 {
		buffer.Grow(int(min(r.ContentLength, trusted)) + bytes.MinRead)
	}
	if _, err := buffer.ReadFrom(io.LimitReader(r.Body, maxBody)); err != nil {
		if r.Context().Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, &failure{status: http.StatusRequestTimeout, reason: reasonUnreadable, text: "the body did not arrive in time", err: err}
		}
		return nil, &failure{status: http.StatusBadRequest, reason: reasonUnreadable, text: brief(fmt.Sprintf("reading the body: %v", err)), err: err}
	}
	return buffer.Bytes(), nil
}
