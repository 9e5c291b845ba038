package admission_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

func TestNotAnAdmissionReview(t *testing.T) {
	f := start(t, answering(&decision.Decision{Verdict: decision.VerdictAllow}))
	for name, c := range map[string]struct {
		method, media, body string
		status              int
	}{
		"GET":           {http.MethodGet, "application/json", "", http.StatusMethodNotAllowed},
		"YAML":          {http.MethodPost, "application/yaml", body("Deployment", deployment), http.StatusUnsupportedMediaType},
		"no media type": {http.MethodPost, "", body("Deployment", deployment), http.StatusUnsupportedMediaType},
		"garbage":       {http.MethodPost, "application/json", "\x00garbage", http.StatusBadRequest},
		"empty":         {http.MethodPost, "application/json", "", http.StatusBadRequest},
		"no request":    {http.MethodPost, "application/json", "{}", http.StatusBadRequest},
		"no uid":        {http.MethodPost, "application/json", `{"request":{"object":{}}}`, http.StatusBadRequest},
		"truncated":     {http.MethodPost, "application/json", body("Deployment", deployment)[:300], http.StatusBadRequest},
		"charset":       {http.MethodPost, "application/json; charset=utf-8", body("Deployment", deployment), http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.do(c.method, "/validate", c.media, strings.NewReader(c.body))
			if a.status != c.status {
				t.Errorf("HTTP %d: %s", a.status, a.text)
			}
			if a.status != http.StatusOK && (a.header.Get("Retry-After") != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain")) {
				t.Errorf("header %v", a.header)
			}
		})
	}
}

func TestInternalErrorIsHTTP500(t *testing.T) {
	f := start(t, failing(errors.New("reading the labels of namespace \"eks-work\":\n connection refused "+strings.Repeat("x", 5000))))
	for _, path := range []string{"/mutate", "/validate"} {
		a := f.post(path, body("Deployment", deployment))
		if a.status != http.StatusInternalServerError || a.header.Get("Retry-After") != "" {
			t.Errorf("HTTP %d, header %v", a.status, a.header)
		}
		if !strings.Contains(a.text, `namespace "eks-work": connection refused`) || len(a.text) > 600 || strings.Contains(a.text, "hunter2") {
			t.Errorf("%s", a.text)
		}
	}
	if got := f.metric("taffrail_errors_total", map[string]string{"reason": "internal"}); got != 2 {
		t.Errorf("%v errors", got)
	}
}

func TestNoSnapshotYet(t *testing.T) {
	f := start(t, nil)
	a := f.post("/validate", body("Deployment", deployment))
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "1" {
		t.Errorf("HTTP %d, header %v", a.status, a.header)
	}
}

// nobody grants no permission, and finds no fault in any configuration.
type nobody struct{}

func (nobody) MayRelax(context.Context, decision.User, string) (bool, error) { return false, nil }

func (nobody) MayExempt(context.Context, decision.User, string, string) (bool, error) {
	return false, nil
}

func (nobody) Check(context.Context, *decision.Request) (*decision.Checked, error) {
	return &decision.Checked{}, nil
}

func (nobody) Exempt(context.Context, *decision.Request, configcheck.Exempters) ([]decision.NotExempting, error) {
	return nil, nil
}

// Every registered path answers: a path without a handler would otherwise be noticed only in use.
func TestEveryPathAnswers(t *testing.T) {
	f := start(t, fake{
		decide: func(context.Context, *decision.Request) (*decision.Decision, error) {
			return &decision.Decision{Verdict: decision.VerdictAllow}, nil
		},
		relax: func(context.Context, *decision.Request, pipeline.Relaxers) (*decision.Decision, error) {
			return &decision.Decision{Verdict: decision.VerdictAllow}, nil
		},
	}, func(o *admission.Options) {
		o.Relaxers, o.Config, o.Exempters = &nobody{}, &nobody{}, &nobody{}
	})
	for _, path := range []string{admission.MutatePath, admission.ValidatePath, admission.RelaxPath, admission.ConfigPath, admission.ExemptPath} {
		if a := f.post(path, body("Deployment", deployment)); a.status != http.StatusOK {
			t.Errorf("%s: HTTP %d: %s", path, a.status, a.text)
		}
	}
}

func TestDeadline(t *testing.T) {
	ends := make(chan time.Time, 1)
	f := start(t, fake{decide: func(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
		if r.DryRun {
			<-ctx.Done()
			return nil, fmt.Errorf("evaluating: %w", ctx.Err())
		}
		deadline, _ := ctx.Deadline()
		ends <- deadline
		return &decision.Decision{Verdict: decision.VerdictAllow}, nil
	}})
	for query, want := range map[string]time.Duration{
		"":                10*time.Second - 500*time.Millisecond,
		"?timeout=3s":     3*time.Second - 300*time.Millisecond,
		"?timeout=30s":    30*time.Second - 500*time.Millisecond,
		"?timeout=9999h":  30*time.Second - 500*time.Millisecond,
		"?timeout=-1s":    10*time.Second - 500*time.Millisecond,
		"?timeout=absurd": 10*time.Second - 500*time.Millisecond,
	} {
		sent := time.Now()
		f.reviewed(f.post("/validate"+query, body("Deployment", deployment)))
		if got := <-ends; got.Before(sent.Add(want)) || got.After(time.Now().Add(want)) {
			t.Errorf("%q ends %v after it was sent, want %v", query, got.Sub(sent), want)
		}
	}
	a := f.post("/validate?timeout=100ms", body("Deployment", deployment, `,"dryRun":true`))
	if a.status != http.StatusGatewayTimeout || a.header.Get("Retry-After") != "" {
		t.Errorf("HTTP %d, header %v", a.status, a.header)
	}
}

// If the deadline has passed, a failing policy is not reported as broken.
func TestDeadlineComesBeforeUndecided(t *testing.T) {
	f := start(t, fake{decide: func(ctx context.Context, _ *decision.Request) (*decision.Decision, error) {
		<-ctx.Done()
		return &decision.Decision{Errors: map[string]error{"slow": ctx.Err()}}, nil
	}})
	if a := f.post("/validate?timeout=50ms", body("Deployment", deployment)); a.status != http.StatusGatewayTimeout {
		t.Errorf("HTTP %d: %s", a.status, a.text)
	}
}

func TestShed(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	f := start(t, fake{decide: func(context.Context, *decision.Request) (*decision.Decision, error) {
		arrived <- struct{}{}
		<-release
		return &decision.Decision{Verdict: decision.VerdictAllow}, nil
	}}, func(o *admission.Options) { o.MaxInFlight = 2 })

	var waiting sync.WaitGroup
	for range 2 {
		waiting.Go(func() { f.reviewed(f.post("/validate", body("Deployment", deployment))) })
	}
	<-arrived
	<-arrived
	// The body is larger than all buffers on the way, and still the answer must arrive.
	a := f.post("/mutate", body("Deployment", `{"a":"`+strings.Repeat("x", 4<<20)+`"}`))
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "1" {
		t.Errorf("HTTP %d, header %v", a.status, a.header)
	}
	close(release)
	waiting.Wait()
	if got := f.metric("taffrail_errors_total", map[string]string{"reason": "shed"}); got != 1 {
		t.Errorf("%v shed", got)
	}
}

// Memory is limited by bytes: a few large bodies cause shedding, but a body of any legal length fits alone. A
// Content-Length reserves nothing, and there is always room for ordinary bodies.
func TestShedBytes(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	f := start(t, fake{decide: func(context.Context, *decision.Request) (*decision.Decision, error) {
		arrived <- struct{}{}
		<-release
		return &decision.Decision{Verdict: decision.VerdictAllow}, nil
	}}, func(o *admission.Options) { o.MaxInFlightBytes = 1 })
	large := body("Deployment", `{"a":"`+strings.Repeat("x", 5<<20)+`"}`)
	var waiting sync.WaitGroup
	waiting.Go(func() { f.reviewed(f.post("/validate", large)) })
	<-arrived
	if a := f.post("/validate", large); a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "1" {
		t.Errorf("HTTP %d, header %v", a.status, a.header)
	}
	// Without a Content-Length.
	waiting.Go(func() {
		unknown := io.MultiReader(strings.NewReader(body("Deployment", deployment)))
		f.reviewed(f.do(http.MethodPost, "/validate", "application/json", unknown))
	})
	<-arrived
	waiting.Go(func() { f.reviewed(f.post("/validate", body("Deployment", deployment))) })
	<-arrived
	close(release)
	waiting.Wait()

	// All memory was released, also by requests that were shed.
	go func() { <-arrived }()
	f.reviewed(f.post("/validate", large))
}

// If a hand-edited webhook configuration sends operations other than CREATE and UPDATE, they are allowed.
func TestNothingToDecide(t *testing.T) {
	f := start(t, fake{decide: func(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
		return pipeline.New(new(config.Snapshot), nil, pipeline.Options{}).Decide(ctx, r)
	}})
	for name, edit := range map[string][]string{
		"DELETE":  {`"object":` + deployment, `"object":null,"oldObject":` + deployment, "CREATE", "DELETE"},
		"CONNECT": {`"object":` + deployment, `"object":{"kind":"PodExecOptions","apiVersion":"v1","command":["sh"]},"subResource":"exec"`, "CREATE", "CONNECT"},
		"status":  {"CREATE", "UPDATE", `"object":`, `"subResource":"status","oldObject":` + deployment + `,"object":`},
		"DELETE of what is too large": {`"object":` + deployment,
			`"object":null,"oldObject":{"a":"` + strings.Repeat("x", request.MaxBytes) + `"}`, "CREATE", "DELETE"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/mutate", "/validate"} {
				// reviewed checks the uid.
				text := body("Deployment", deployment)
				for i := 0; i < len(edit); i += 2 {
					text = strings.Replace(text, edit[i], edit[i+1], 1)
				}
				if r := f.reviewed(f.post(path, text)); !r.Allowed || r.Warnings != nil || r.Patch != nil || r.Result != nil {
					t.Errorf("%s: %+v", path, r)
				}
			}
		})
	}
}

func TestPanic(t *testing.T) {
	var log strings.Builder
	for name, cause := range map[string]func(*decision.Request){
		"runtime": func(r *decision.Request) { _ = r.Object["spec"].(map[string]any)["none"].(map[string]any) },
		"content": func(r *decision.Request) { panic(fmt.Sprint(r.Object)) },
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			f := start(t, fake{decide: func(_ context.Context, r *decision.Request) (*decision.Decision, error) {
				cause(r)
				return nil, nil
			}}, logged(&log))
			a := f.post("/validate", body("Deployment", deployment))
			if a.status != http.StatusInternalServerError || strings.Contains(a.text, "hunter2") {
				t.Errorf("HTTP %d: %s", a.status, a.text)
			}
			f.server.Close()
			for _, want := range []string{"A request panicked", "uid-1", "handler_test.go"} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log lacks %q: %s", want, log.String())
				}
			}
			if strings.Contains(log.String(), "hunter2") {
				t.Error("the log has content of the object")
			}
			if got := f.metric("taffrail_errors_total", map[string]string{"reason": "panic"}); got != 1 {
				t.Errorf("%v panics", got)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	f := start(t, answering(&decision.Decision{Verdict: decision.VerdictAllow}))
	if a := f.post("/validate", body("Deployment", deployment)); a.close {
		t.Error("a connection is closed while serving")
	}
	f.handler.Drain()
	a := f.post("/validate", body("Deployment", deployment))
	if f.reviewed(a); !a.close {
		t.Error("draining keeps connections")
	}
	f.handler.Stop()
	f.handler.Drain() // does not return it to an earlier phase
	a = f.post("/validate", body("Deployment", deployment))
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "1" || !a.close {
		t.Errorf("HTTP %d, header %v", a.status, a.header)
	}
}

func TestLogNamesButQuotesNothing(t *testing.T) {
	var log strings.Builder
	d := denied(1)
	d.Errors = map[string]error{"broken": errors.New("eval_conflict_error at a.rego:3")}
	f := start(t, answering(d), logged(&log))
	f.reviewed(f.post("/validate", body("Deployment", deployment)))
	f.server.Close()
	for _, want := range []string{`"user"="alice"`, `"verdict"="deny"`, "image-tag/c00: enforce, denied", "eval_conflict_error", `"snapshot"="abc123"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Error("the log has content of the object")
	}
}

func TestClientGone(t *testing.T) {
	arrived := make(chan struct{})
	ended := make(chan error, 1)
	f := start(t, fake{decide: func(ctx context.Context, _ *decision.Request) (*decision.Decision, error) {
		close(arrived)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.server.URL+"/validate", strings.NewReader(body("Deployment", deployment)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	go func() {
		<-arrived
		cancel()
	}()
	if response, err := f.server.Client().Do(request); err == nil {
		response.Body.Close()
		t.Error("an answer to nobody")
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("the decision goes on for nobody")
	}
}
