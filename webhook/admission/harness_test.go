package admission_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// fake is a Decider whose answers the test chooses.
type fake struct {
	decide func(context.Context, *decision.Request) (*decision.Decision, error)
	relax  func(context.Context, *decision.Request, pipeline.Relaxers) (*decision.Decision, error)
}

func (fake) ID() string { return "abc123" }

func (fake) Snapshot() *config.Snapshot { return nil }

func (f fake) Decide(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	return f.decide(ctx, r)
}

func (fake) DecideOversized(context.Context, *request.LimitError) (*decision.Decision, error) {
	return &decision.Decision{Verdict: decision.VerdictAllow}, nil
}

func (f fake) Relax(ctx context.Context, r *decision.Request, relaxers pipeline.Relaxers) (*decision.Decision, error) {
	return f.relax(ctx, r, relaxers)
}

func (f fake) RelaxOversized(*request.LimitError) *decision.Decision {
	return &decision.Decision{Verdict: decision.VerdictAllow}
}

// answering returns a Decider that always makes the same decision.
func answering(d *decision.Decision) fake {
	return fake{decide: func(context.Context, *decision.Request) (*decision.Decision, error) { return d, nil }}
}

func failing(err error) fake {
	return fake{decide: func(context.Context, *decision.Request) (*decision.Decision, error) { return nil, err }}
}

// fixture is a Handler behind a real HTTP server.
type fixture struct {
	t        *testing.T
	handler  *admission.Handler
	server   *httptest.Server
	registry *prometheus.Registry
	log      *strings.Builder
}

func start(t *testing.T, decider admission.Decider, change ...func(*admission.Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, registry: prometheus.NewRegistry(), log: &strings.Builder{}}
	o := admission.Options{
		Current:   func() admission.Decider { return decider },
		Log:       logr.Discard(),
		Observers: []admission.Observer{metrics.NewRequests(f.registry)},
	}
	for _, c := range change {
		c(&o)
	}
	f.handler = admission.New(o)
	mux := http.NewServeMux()
	f.handler.Register(mux)
	f.server = httptest.NewServer(mux)
	t.Cleanup(f.server.Close)
	return f
}

// logged directs the log to a builder, which may be read once all requests have ended.
func logged(into *strings.Builder) func(*admission.Options) {
	return func(o *admission.Options) {
		o.Log = funcr.New(func(_, args string) { into.WriteString(args + "\n") }, funcr.Options{})
	}
}

type answer struct {
	status int
	header http.Header
	text   string
	close  bool
}

func (f *fixture) post(path, body string) answer {
	f.t.Helper()
	return f.do(http.MethodPost, path, "application/json", strings.NewReader(body))
}

func (f *fixture) do(method, path, media string, body io.Reader) answer {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, body)
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("Content-Type", media)
	response, err := f.server.Client().Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, text: string(text), close: response.Close}
}

// reviewed decodes an answer that is a decision, with the checks of the API server.
func (f *fixture) reviewed(a answer) *admissionv1.AdmissionResponse {
	f.t.Helper()
	if a.status != http.StatusOK {
		f.t.Fatalf("HTTP %d: %s", a.status, a.text)
	}
	if media := a.header.Get("Content-Type"); media != "application/json" {
		f.t.Errorf("Content-Type is %q", media)
	}
	var r admissionv1.AdmissionReview
	if err := json.Unmarshal([]byte(a.text), &r); err != nil {
		f.t.Fatal(err)
	}
	if r.APIVersion != "admission.k8s.io/v1" || r.Kind != "AdmissionReview" || r.Request != nil || r.Response == nil {
		f.t.Fatalf("not a response: %s", a.text)
	}
	if r.Response.UID != "uid-1" {
		f.t.Errorf("uid is %q", r.Response.UID)
	}
	if (len(r.Response.Patch) > 0) != (r.Response.PatchType != nil) {
		f.t.Error("patch and patchType come together or not at all")
	}
	return r.Response
}

func (f *fixture) metric(name string, labels map[string]string) float64 {
	f.t.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	var sum float64
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
	next:
		for _, m := range family.GetMetric() {
			for _, pair := range m.GetLabel() {
				if want, ok := labels[pair.GetName()]; ok && want != pair.GetValue() {
					continue next
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

const deployment = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"nginx","namespace":"eks-work"},
"spec":{"template":{"spec":{"containers":[{"name":"nginx","image":"nginx","env":[{"name":"A","value":"hunter2"}]}]}}}}`

const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"nginx-","namespace":"eks-work"},
"spec":{"containers":[{"name":"nginx","image":"nginx"}]}}`

func body(kind, object string, more ...string) string {
	return fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"uid-1",
"kind":{"group":"apps","version":"v1","kind":%q},"name":"nginx","namespace":"eks-work","operation":"CREATE",
"userInfo":{"username":"alice"},"object":%s%s}}`, kind, object, strings.Join(more, ""))
}

func podBody() string {
	return strings.Replace(strings.Replace(body("Pod", pod), `"group":"apps"`, `"group":""`, 1), `"name":"nginx","namespace"`, `"namespace"`, 1)
}

func imageTag(mode decision.Mode) decision.Finding {
	return decision.Finding{
		Policy: "image-tag", Guardrails: []string{"chapter"}, Mode: mode, Container: "nginx",
		Path:        "spec.template.spec.containers[0].image",
		Message:     `image "nginx" has no tag, so it resolves to whatever latest is at pull time`,
		Remediation: "Name a version in the image, for example nginx:1.27.3.",
		Fix:         []decision.PatchOperation{{Op: "add", Path: "/spec", Value: "not-to-be-printed"}},
	}
}

func denied(n int) *decision.Decision {
	d := &decision.Decision{Verdict: decision.VerdictDeny}
	for i := range n {
		f := imageTag(decision.ModeEnforce)
		f.Container = fmt.Sprintf("c%02d", i)
		d.Findings = append(d.Findings, f)
	}
	return d
}
