package admission

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"taffrail.dev/webhook/request"
)

// A tenth of a timeout is reserved, but never more than the API server needs to receive an answer.
func TestTimeLeft(t *testing.T) {
	for query, want := range map[string]time.Duration{
		"": 9500 * time.Millisecond, "timeout=": 9500 * time.Millisecond, "timeout=soon": 9500 * time.Millisecond,
		"timeout=3%73": 2700 * time.Millisecond, "timeout=3s&x=1": 2700 * time.Millisecond, "x=1&timeout=3s": 2700 * time.Millisecond, "timeout=3s&timeout=5s": 2700 * time.Millisecond,
		"timeout=3s;x": 9500 * time.Millisecond, "timeout=+3s": 9500 * time.Millisecond,
		"timeout=0s": 9500 * time.Millisecond, "timeout=-1s": 9500 * time.Millisecond,
		"timeout=1ns": 1, "timeout=1s": 900 * time.Millisecond, "timeout=5s": 4500 * time.Millisecond, "timeout=6s": 5500 * time.Millisecond,
		"timeout=10s": 9500 * time.Millisecond, "timeout=30s": 29500 * time.Millisecond, "timeout=31s": 29500 * time.Millisecond, "timeout=1h": 29500 * time.Millisecond,
	} {
		if got := timeLeft(&http.Request{URL: &url.URL{RawQuery: query}}); got != want {
			t.Errorf("%q: got %s, want %s", query, got, want)
		}
	}
}

func TestOnlyPostedJSONIsRead(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post"} {
		r := &http.Request{Method: method, Header: http.Header{"Content-Type": {"application/json"}}}
		if f, ok := errors.AsType[*failure](checkHeader(r)); !ok || f.status != http.StatusMethodNotAllowed || f.reason != reasonMethod {
			t.Errorf("%s: got %v", method, f)
		}
	}
	for media, ok := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "APPLICATION/JSON": true,
		"": false, "text/json": false, "application/json-patch+json": false, "application/": false, "application/json; charset": false,
	} {
		err := checkHeader(&http.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {media}}})
		if f, refused := errors.AsType[*failure](err); refused == ok || refused && (f.status != http.StatusUnsupportedMediaType || f.reason != reasonMediaType) {
			t.Errorf("%q: got %v", media, err)
		}
	}
}

func TestFailures(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer stop()
	defect := errors.New("defect")
	shed := &failure{status: http.StatusTooManyRequests, reason: reasonShed}
	for name, test := range map[string]struct {
		ctx    context.Context
		err    error
		status int
		reason Reason
	}{
		"late":                    {late, defect, http.StatusGatewayTimeout, reasonDeadline},
		"a deadline of its own":   {t.Context(), fmt.Errorf("reading: %w", context.DeadlineExceeded), http.StatusGatewayTimeout, reasonDeadline},
		"late, and malformed":     {late, &request.MalformedError{}, http.StatusGatewayTimeout, reasonDeadline},
		"gone":                    {ended, defect, http.StatusServiceUnavailable, reasonCanceled},
		"gone, and shed":          {ended, shed, http.StatusServiceUnavailable, reasonCanceled},
		"somebody else gave up":   {t.Context(), context.Canceled, http.StatusInternalServerError, reasonInternal},
		"shed":                    {t.Context(), fmt.Errorf("taking: %w", shed), http.StatusTooManyRequests, reasonShed},
		"malformed":               {t.Context(), fmt.Errorf("reading: %w", &request.MalformedError{}), http.StatusBadRequest, reasonMalformed},
		"a field of another type": {t.Context(), fmt.Errorf("reading: %w", &request.FieldError{Path: "spec"}), http.StatusBadRequest, reasonMalformed},
		"a defect":                {t.Context(), defect, http.StatusInternalServerError, reasonInternal},
	} {
		got, ok := errors.AsType[*failure](failureOf(test.ctx, test.err))
		if !ok || got.status != test.status || got.reason != test.reason || got.retry {
			t.Errorf("%s: got %+v", name, got)
		}
		if _, same := errors.AsType[*failure](test.err); ok && !same && !errors.Is(got, test.err) {
			t.Errorf("%s: the cause of %v is lost", name, got)
		}
	}
	long := internal(errors.New(strings.Repeat("x", 10*maxCause)))
	if n := len(long.Error()); n < maxCause/2 || n > maxCause+len("taffrail: ")+len("…") {
		t.Errorf("%d bytes", n)
	}
}

// The reason distinguishes a body that stops arriving from one that is cut off.
func TestWhyABodyWasNotRead(t *testing.T) {
	for name, test := range map[string]struct {
		fails  error
		status int
		reason Reason
	}{
		"a deadline":  {context.DeadlineExceeded, http.StatusBadRequest, reasonUnreadable},
		"cut off":     {errors.New("unexpected EOF"), http.StatusBadRequest, reasonUnreadable},
		"no room":     {errNoMemory, http.StatusTooManyRequests, reasonShed},
		"evicted":     {errEvicted, http.StatusTooManyRequests, reasonEvicted},
		"not in time": {fmt.Errorf("read tcp: %w", os.ErrDeadlineExceeded), http.StatusRequestTimeout, reasonSlow},
	} {
		h := New(Options{})
		in := h.open(httptest.NewRecorder(), time.Hour)
		_, err := readBody(t.Context(), &http.Request{Body: failingBody{test.fails}}, in)
		in.close()
		f, ok := errors.AsType[*failure](err)
		if !ok || f.status != test.status || f.reason != test.reason || f.retry != (test.status == http.StatusTooManyRequests) {
			t.Errorf("%s: got %+v", name, f)
		}
	}
}

// failingBody is a body whose reads fail.
type failingBody struct{ err error }

func (b failingBody) Read([]byte) (int, error) { return 0, b.err }

func (failingBody) Close() error { return nil }

// A body that has been read completely is decided, whoever else needs memory. Its connection is then watched
// for a disconnect, which no deadline may end.
func TestABodyThatIsReadIsComplete(t *testing.T) {
	b := newBodyBudget(DefaultMaxInFlightBytes, 1)
	whole, at := arriving(b)
	body, err := readBody(t.Context(), &http.Request{Body: io.NopCloser(strings.NewReader("{}")), ContentLength: 2}, whole)
	if err != nil || string(body) != "{}" {
		t.Fatalf("%q, %v", body, err)
	}
	if !at.at.IsZero() {
		t.Errorf("the connection ends at %s", at.at)
	}
	if arriving(b); whole.isEvicted() {
		t.Error("what is complete is evicted")
	}
	long, at := arriving(b)
	body, err = readBody(t.Context(), &http.Request{Body: io.NopCloser(strings.NewReader(strings.Repeat("x", maxBody+1)))}, long)
	if err != nil || len(body) != maxBody || at.at.IsZero() {
		t.Errorf("%d bytes of one that is too large, which ends at %s, %v", len(body), at.at, err)
	}
}
