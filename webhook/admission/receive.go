package admission

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"taffrail.dev/webhook/request"
)

const (
	mediaType = "application/json"

	// defaultTimeout applies if the API server sends no timeout. It is also the default of timeoutSeconds in a
	// webhook configuration.
	defaultTimeout = 10 * time.Second
	// maxTimeout is the maximum of timeoutSeconds.
	maxTimeout = 30 * time.Second
	// maxMargin limits the part of a timeout that is reserved for sending the answer.
	maxMargin = 500 * time.Millisecond

	// bodyTimeout limits the time in which a body must arrive. drainTimeout limits it for a body that is
	// discarded.
	bodyTimeout  = 10 * time.Second
	drainTimeout = 2 * time.Second
	// stepTimeout limits the time between two steps of a body, and thereby how slow a caller may be.
	stepTimeout = 5 * time.Second
	step        = 16 << 10

	// maxBody is one byte more than is decoded, so that a longer body can be distinguished from one of exactly
	// MaxBytes.
	maxBody = request.MaxBytes + 1
	// firstCharge is what a body is charged as soon as its header has arrived.
	firstCharge = 4 << 10
)

func checkHeader(r *http.Request) error {
	if r.Method != http.MethodPost {
		return &failure{status: http.StatusMethodNotAllowed, reason: reasonMethod, text: "use POST"}
	}
	given := r.Header.Get("Content-Type")
	if given == mediaType { // as the API server writes it
		return nil
	}
	media, _, err := mime.ParseMediaType(given)
	if err != nil || media != mediaType {
		return &failure{status: http.StatusUnsupportedMediaType, reason: reasonMediaType, text: "Content-Type must be " + mediaType, err: err}
	}
	return nil
}

// timeLeft returns how long a decision may take. The API server appends timeout=10s to the query, rounded up to
// a second. If it actually waits for a shorter time, it disconnects and the request's context ends.
func timeLeft(r *http.Request) time.Duration {
	given, plain := strings.CutPrefix(r.URL.RawQuery, "timeout=")
	if !plain || strings.ContainsAny(given, "&%+;") {
		given = r.URL.Query().Get("timeout")
	}
	timeout, err := time.ParseDuration(given)
	if err != nil || timeout <= 0 {
		timeout = defaultTimeout
	}
	timeout = min(timeout, maxTimeout)
	return timeout - min(timeout/10, maxMargin)
}

// bodyReader reads the body of a request, and records each step of it as progress.
type bodyReader struct {
	from     io.Reader
	incoming *incoming
	since    int
}

func (r *bodyReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if r.since += n; r.since >= step && err == nil {
		r.since = 0
		err = r.incoming.progress()
	}
	return n, err
}

// open adds a body to those that are arriving.
func (h *Handler) open(w http.ResponseWriter, timeout time.Duration) *incoming {
	connection := http.NewResponseController(w)
	setDeadline := func(t time.Time) {
		// Tests call the handler without a connection, so there is no Read to interrupt.
		_ = connection.SetReadDeadline(t)
	}
	return h.bodies.open(setDeadline, time.Now().Add(timeout))
}

// readBody reads at most maxBody bytes. in holds their memory until it is closed.
func readBody(ctx context.Context, r *http.Request, in *incoming) ([]byte, error) {
	body, err := readAll(ctx, r, in)
	if err == nil {
		err = in.complete(len(body) < maxBody)
	}
	switch {
	case err == nil:
		return body, nil
	case errors.Is(err, errNoMemory):
		return nil, &failure{status: http.StatusTooManyRequests, reason: reasonShed, retry: true, text: "too many bytes in concurrent requests", err: err}
	case errors.Is(err, errEvicted), in.isEvicted():
		// It may be a request of the API server on a slow network.
		return nil, &failure{status: http.StatusTooManyRequests, reason: reasonEvicted, retry: true, text: errEvicted.Error(), err: errEvicted}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &failure{status: http.StatusRequestTimeout, reason: reasonSlow, text: "the body did not arrive in time", err: err}
	}
	return nil, &failure{status: http.StatusBadRequest, reason: reasonUnreadable, text: brief(fmt.Sprintf("reading the body: %v", err)), err: err}
}

// readAll grows its buffer as data arrives, to at most twice the data received. Content-Length can only make
// the buffer smaller.
func readAll(ctx context.Context, r *http.Request, in *incoming) ([]byte, error) {
	reader := &bodyReader{from: r.Body, incoming: in}
	var body []byte
	for {
		if len(body) == cap(body) && len(body) < maxBody {
			larger := max(2*cap(body), firstCharge)
			if announced := r.ContentLength; announced >= int64(len(body)) && announced < int64(larger) {
				larger = int(announced) + 1 // one byte more, to read the EOF
			}
			larger = min(larger, maxBody)
			if err := in.grow(ctx, int64(larger-cap(body))); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, larger), body...)
		}
		if len(body) == maxBody {
			return body, nil
		}
		n, err := reader.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}

// drain reads and discards the rest of a body: closing a connection while the client is still writing would
// reset it, and the answer would be lost.
func (h *Handler) drain(w http.ResponseWriter, r *http.Request) {
	in := h.open(w, drainTimeout)
	defer in.close()
	_, _ = io.CopyN(io.Discard, &bodyReader{from: r.Body, incoming: in}, maxBody)
}
