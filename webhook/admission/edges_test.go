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

	"github.com/prometheus/client_golang/prometheus"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// What is kept back of a timeout is a tenth, and never more than the API server's own time to
// take an answer.
func TestTimeLeft(t *testing.T) {
	for query, want := range map[string]time.Duration{
		"": 9500 * time.Millisecond, "timeout=": 9500 * time.Millisecond, "timeout=soon": 9500 * time.Millisecond,
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
		reason reason
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

// Each outcome of a finding and of a fill is counted under its name, once, and no label takes
// what a caller writes.
func TestDecisionsAreCounted(t *testing.T) {
	finding := func(change func(*decision.Finding)) decision.Finding {
		f := decision.Finding{Policy: "p", Mode: decision.ModeEnforce}
		change(&f)
		return f
	}
	d := &decision.Decision{
		Findings: []decision.Finding{
			finding(func(*decision.Finding) {}), finding(func(f *decision.Finding) { f.Mode = decision.ModeWarn }), finding(func(f *decision.Finding) { f.Mode = decision.ModeAudit }),
			finding(func(f *decision.Finding) { f.Tolerated = "as before" }), finding(func(f *decision.Finding) { f.Exemptions = []string{"e"} }),
		},
		Fills: []decision.Fill{
			{Policy: "q", Mode: decision.ModeEnforce}, {Policy: "q", Mode: decision.ModeWarn}, {Policy: "q", Mode: decision.ModeAudit, SkipReason: "it is older"},
		},
		Errors: map[string]error{"broken": errors.New("broken")},
	}
	for _, test := range []struct {
		path    string
		dry     bool
		results map[string]float64 // by policy, mode and outcome
	}{
		{ValidatePath, false, map[string]float64{
			"p enforce denied": 1, "p warn warned": 1, "p audit recorded": 1, "p enforce tolerated": 1, "p enforce exempted": 1, "broken  error": 1,
		}},
		{MutatePath, false, map[string]float64{"q enforce filled": 1, "q warn suggested": 1, "q audit left": 1, "broken  error": 1}},
		{ValidatePath, true, map[string]float64{}}, {MutatePath, true, map[string]float64{}},
	} {
		registry := prometheus.NewRegistry()
		m := NewMetrics(registry)
		m.decided(test.path, &call{began: time.Now(), request: &decision.Request{Operation: decision.Update, DryRun: test.dry}, decision: d, verdict: decision.VerdictDeny})
		got := counted(t, registry, "taffrail_policy_results_total", "policy", "mode", "outcome")
		if fmt.Sprint(got) != fmt.Sprint(test.results) {
			t.Errorf("%s, dry run: %v: got %v, want %v", test.path, test.dry, got, test.results)
		}
		if got := counted(t, registry, "taffrail_requests_total", "path", "operation", "verdict"); len(got) != 1 || got[test.path+" UPDATE deny"] != 1 {
			t.Errorf("got %v", got)
		}
		if got := counted(t, registry, "taffrail_evaluation_seconds", "path"); got[test.path] != 1 {
			t.Errorf("got %v", got)
		}
	}
}

func TestFailuresAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	shed := &failure{reason: reasonShed}
	m.failed(ValidatePath, &call{}, shed)
	for _, operation := range []decision.Operation{decision.Create, decision.Update, "DELETE", "CONNECT", "whatever a caller writes"} {
		m.failed(ValidatePath, &call{request: &decision.Request{Operation: operation}, decision: &decision.Decision{Errors: map[string]error{"broken": errors.New("broken")}}}, shed)
	}
	want := map[string]float64{"/validate  error": 1, "/validate CREATE error": 1, "/validate UPDATE error": 1, "/validate OTHER error": 3}
	if got := counted(t, registry, "taffrail_requests_total", "path", "operation", "verdict"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v", got)
	}
	if got := counted(t, registry, "taffrail_errors_total", "reason"); len(got) != len(reasons()) || got["shed"] != 6 || got["slow"] != 0 {
		t.Errorf("got %v", got)
	}
	if got := counted(t, registry, "taffrail_policy_results_total", "policy", "mode", "outcome"); got["broken  error"] != 5 {
		t.Errorf("got %v", got)
	}
}

func TestConfigurationIsMeasured(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	began := time.Now()
	m.Snapshot("old", 9, 9)
	m.Snapshot("new", 2, 5)
	m.SnapshotFailed()
	m.Problems("Guardrail", 3)
	m.Certificate(time.Unix(1234, 0))
	if got := counted(t, registry, "taffrail_snapshot_info", "id"); len(got) != 1 || got["new"] != 1 {
		t.Errorf("got %v", got)
	}
	for name, want := range map[string]float64{
		"taffrail_snapshot_guardrails": 2, "taffrail_snapshot_bindings": 5, "taffrail_snapshot_errors_total": 1, "taffrail_certificate_expiry_timestamp_seconds": 1234,
	} {
		if got := counted(t, registry, name); got[""] != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got := counted(t, registry, "taffrail_configuration_problems", "kind"); got["Guardrail"] != 3 {
		t.Errorf("got %v", got)
	}
	if at := counted(t, registry, "taffrail_snapshot_compiled_timestamp_seconds")[""]; at < float64(began.Unix()) {
		t.Errorf("compiled at %v", at)
	}
}

// Without metrics nothing is counted, and nothing fails.
func TestNoMetrics(*testing.T) {
	var m *Metrics
	m.Snapshot("id", 1, 1)
	m.SnapshotFailed()
	m.Problems("Guardrail", 1)
	m.Certificate(time.Unix(0, 0))
	m.decided(ValidatePath, &call{})
	m.failed(ValidatePath, &call{}, &failure{})
}

// counted reads a metric by its labels.
func counted(t *testing.T, registry *prometheus.Registry, name string, labels ...string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		if family.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
		for _, m := range family.GetMetric() {
			values := map[string]string{}
			for _, pair := range m.GetLabel() {
				values[pair.GetName()] = pair.GetValue()
			}
			key := make([]string, len(labels))
			for i, label := range labels {
				key[i] = values[label]
			}
			all[strings.Join(key, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

// A body that stops is told apart from one that is cut off.
func TestWhyABodyWasNotRead(t *testing.T) {
	for name, test := range map[string]struct {
		fails  error
		status int
		reason reason
	}{
		"a deadline":  {context.DeadlineExceeded, http.StatusBadRequest, reasonUnreadable},
		"cut off":     {errors.New("unexpected EOF"), http.StatusBadRequest, reasonUnreadable},
		"no room":     {errNoRoom, http.StatusTooManyRequests, reasonShed},
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

// failingBody is a body of which nothing can be read.
type failingBody struct{ err error }

func (b failingBody) Read([]byte) (int, error) { return 0, b.err }

func (failingBody) Close() error { return nil }

// A body that has been read is decided, whoever else needs room, and its connection is
// watched for the client to hang up: no deadline may end that.
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
