package admission_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// relaxing is a Decider for /relax, with a decision for oversized Namespaces.
type relaxing struct {
	fake
	oversized *decision.Decision
}

func (r relaxing) RelaxOversized(*request.LimitError) *decision.Decision {
	return r.oversized
}

// configuring is a Checker whose answers the test chooses.
type configuring struct {
	checked *decision.Checked
	lacking []decision.NotExempting
	err     error
}

func (c configuring) Check(context.Context, *decision.Request) (*decision.Checked, error) {
	return c.checked, c.err
}

func (c configuring) Exempt(context.Context, *decision.Request, configcheck.Exempters) ([]decision.NotExempting, error) {
	return c.lacking, c.err
}

// deep returns an object that is nested too deeply to be inspected.
func deep() string {
	return strings.Repeat(`{"a":`, request.MaxDepth+2) + "1" + strings.Repeat("}", request.MaxDepth+2)
}

func losing(mode decision.Mode, verdict decision.Verdict) *decision.Decision {
	return &decision.Decision{Verdict: verdict, Findings: []decision.Finding{{
		Policy: decision.RelaxVerb, Guardrails: []string{"team"}, Mode: mode, Path: "metadata.labels", Key: "team",
		Message: "without guard=on, Guardrail team no longer enforces image-tag", Remediation: "Keep the labels as they are.",
	}}}
}

func TestRelaxAnswersWhatIsDecided(t *testing.T) {
	for name, test := range map[string]struct {
		object   string
		decision *decision.Decision
		allowed  bool
		warnings int
		verdict  string
	}{
		"allowed":               {`{}`, &decision.Decision{Verdict: decision.VerdictAllow}, true, 0, "allow"},
		"denied":                {`{}`, losing(decision.ModeEnforce, decision.VerdictDeny), false, 0, "deny"},
		"warned":                {`{}`, losing(decision.ModeWarn, decision.VerdictWarn), true, 1, "warn"},
		"recorded":              {`{}`, losing(decision.ModeAudit, decision.VerdictAllow), true, 0, "allow"},
		"too deep":              {deep(), losing(decision.ModeEnforce, decision.VerdictDeny), false, 0, "deny"},
		"too deep, warned":      {deep(), losing(decision.ModeWarn, decision.VerdictWarn), true, 1, "warn"},
		"too deep, and nothing": {deep(), &decision.Decision{Verdict: decision.VerdictAllow}, true, 0, "allow"},
	} {
		t.Run(name, func(t *testing.T) {
			seen := fake{relax: func(context.Context, *decision.Request, pipeline.Relaxers) (*decision.Decision, error) {
				if test.object == deep() {
					return nil, errors.New("what is too deep is not looked at")
				}
				return test.decision, nil
			}}
			f := start(t, relaxing{seen, test.decision}, func(o *admission.Options) { o.Relaxers = &nobody{} })
			sent := strings.NewReplacer(`"CREATE"`, `"UPDATE"`, `"group":"apps"`, `"group":""`).Replace(body("Namespace", test.object))
			r := f.reviewed(f.post(admission.RelaxPath, sent))
			if r.Allowed != test.allowed || len(r.Warnings) != test.warnings {
				t.Errorf("allowed: %v, warnings: %q", r.Allowed, r.Warnings)
			}
			if !r.Allowed && (r.Result.Code != http.StatusForbidden || r.Result.Details.Name != "nginx" || !strings.Contains(r.Result.Message, "alice is not permitted to relax") || len(r.Result.Details.Causes) != 1) {
				t.Errorf("%+v", r.Result)
			}
			if got := f.metric("taffrail_requests_total", map[string]string{"path": "/relax", "operation": "UPDATE", "verdict": test.verdict}); got != 1 {
				t.Errorf("%v requests are counted as %s", got, test.verdict)
			}
		})
	}
}

// If a permission cannot be determined, no path allows the request.
func TestAnErrorIsNoAnswerAtAnyPath(t *testing.T) {
	broken := errors.New("the API server is unavailable")
	f := start(t, fake{
		decide: func(context.Context, *decision.Request) (*decision.Decision, error) { return nil, broken },
		relax: func(context.Context, *decision.Request, pipeline.Relaxers) (*decision.Decision, error) {
			return nil, broken
		},
	}, func(o *admission.Options) {
		o.Relaxers, o.Config, o.Exempters = &nobody{}, configuring{err: broken}, &nobody{}
	})
	unnamed := `{"request":{"object":{"a":"` + strings.Repeat("x", request.MaxBytes) + `"}}}`
	for _, path := range []string{admission.MutatePath, admission.ValidatePath, admission.RelaxPath, admission.ConfigPath, admission.ExemptPath} {
		if a := f.post(path, body("Namespace", `{}`)); a.status != http.StatusInternalServerError || !strings.Contains(a.text, "the API server is unavailable") {
			t.Errorf("%s: HTTP %d: %s", path, a.status, a.text)
		}
		if a := f.post(path, `{"request":{}}`); a.status != http.StatusBadRequest {
			t.Errorf("%s: what is malformed: HTTP %d: %s", path, a.status, a.text)
		}
		if a := f.post(path, unnamed); a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: what is too large to be named: HTTP %d: %s", path, a.status, a.text)
		}
	}
	for _, path := range []string{admission.ConfigPath, admission.ExemptPath} {
		if a := f.post(path, body("Guardrail", deep())); a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: what is too deep: HTTP %d: %s", path, a.status, a.text)
		}
	}
}

func TestConfigurationIsAnsweredFieldByField(t *testing.T) {
	faults := []decision.Fault{{Field: "spec.mode", Reason: "must be enforce, warn or audit"}, {Field: "spec.policies[0].name", Reason: "there is no policy imagetag"}}
	for name, test := range map[string]struct {
		checked  *decision.Checked
		allowed  bool
		warnings int
		verdict  string
	}{
		"right":            {&decision.Checked{}, true, 0, "allow"},
		"warned of":        {&decision.Checked{Warnings: []string{"it binds nothing"}}, true, 1, "warn"},
		"wrong":            {&decision.Checked{Faults: faults}, false, 0, "deny"},
		"wrong and warned": {&decision.Checked{Faults: faults, Warnings: []string{"it binds nothing"}}, false, 1, "deny"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, fake{}, func(o *admission.Options) { o.Config = configuring{checked: test.checked} })
			r := f.reviewed(f.post(admission.ConfigPath, body("Guardrail", `{}`)))
			if r.Allowed != test.allowed || len(r.Warnings) != test.warnings {
				t.Errorf("allowed: %v, warnings: %q", r.Allowed, r.Warnings)
			}
			if !test.allowed {
				d := r.Result.Details
				if r.Result.Code != http.StatusUnprocessableEntity || r.Result.Reason != "Invalid" || r.Result.Status != "Failure" || d.Name != "nginx" || d.Kind != "Guardrail" || d.Group != "apps" {
					t.Errorf("%+v", r.Result)
				}
				if len(d.Causes) != 2 || d.Causes[1].Field != "spec.policies[0].name" || d.Causes[1].Message != "there is no policy imagetag" || d.Causes[1].Type != "FieldValueInvalid" {
					t.Errorf("%+v", d.Causes)
				}
			}
			if got := f.metric("taffrail_requests_total", map[string]string{"path": "/config", "operation": "CREATE", "verdict": test.verdict}); got != 1 {
				t.Errorf("%v requests are counted as %s", got, test.verdict)
			}
		})
	}
}

func TestWhoMayNotExemptIsTold(t *testing.T) {
	lacking := []decision.NotExempting{{Guardrail: "team", Namespace: "legacy", Message: "it excuses objects of namespace legacy from Guardrail team"}}
	for verdict, missing := range map[string][]decision.NotExempting{"allow": nil, "deny": lacking} {
		f := start(t, fake{}, func(o *admission.Options) { o.Config, o.Exempters = configuring{lacking: missing}, &nobody{} })
		r := f.reviewed(f.post(admission.ExemptPath, body("Exemption", `{}`)))
		if r.Allowed != (missing == nil) {
			t.Errorf("%s: allowed: %v", verdict, r.Allowed)
		}
		if missing != nil && (r.Result.Code != http.StatusForbidden || r.Result.Reason != "Forbidden" || r.Result.Status != "Failure" || r.Result.Details.Kind != "Exemption" ||
			!strings.Contains(r.Result.Message, lacking[0].Message)) {
			t.Errorf("%+v", r.Result)
		}
		if got := f.metric("taffrail_requests_total", map[string]string{"path": "/exempt", "verdict": verdict}); got != 1 {
			t.Errorf("%v requests are counted as %s", got, verdict)
		}
	}
}

// A path is served only with everything it needs to decide; otherwise the API server might take its answer for
// a decision.
func TestPathsAreServedOnlyWithWhoDecidesThere(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*admission.Options)
		missing []string
	}{
		"nobody":       {func(*admission.Options) {}, []string{admission.RelaxPath, admission.ConfigPath, admission.ExemptPath}},
		"no relaxers":  {func(o *admission.Options) { o.Config, o.Exempters = &nobody{}, &nobody{} }, []string{admission.RelaxPath}},
		"no exempters": {func(o *admission.Options) { o.Config, o.Relaxers = &nobody{}, &nobody{} }, []string{admission.ExemptPath}},
		"no checker":   {func(o *admission.Options) { o.Relaxers, o.Exempters = &nobody{}, &nobody{} }, []string{admission.ConfigPath, admission.ExemptPath}},
	} {
		f := start(t, fake{}, test.change)
		for _, path := range test.missing {
			if a := f.post(path, body("Guardrail", `{}`)); a.status != http.StatusNotFound {
				t.Errorf("%s: %s: HTTP %d", name, path, a.status)
			}
		}
	}
}

// recording records observations.
type recording struct{ observed []admission.Observation }

func (r *recording) Observe(o *admission.Observation) { r.observed = append(r.observed, *o) }

// Whatever the outcome of a request, each observer is notified of it once.
func TestEveryRequestIsObservedOnce(t *testing.T) {
	denial := &decision.Decision{Verdict: decision.VerdictDeny, Findings: []decision.Finding{{Policy: "p", Mode: decision.ModeEnforce, Message: "no"}}}
	for name, test := range map[string]struct {
		decider admission.Decider
		body    string
		verdict decision.Verdict
		reason  admission.Reason
		decided bool
	}{
		"denied":       {answering(denial), body("Deployment", deployment), decision.VerdictDeny, "", true},
		"an error":     {failing(errors.New("defect")), body("Deployment", deployment), 0, "internal", false},
		"a panic":      {fake{}, body("Deployment", deployment), 0, "panic", false},
		"no review":    {answering(denial), "{", 0, "malformed", false},
		"not compiled": {nil, body("Deployment", deployment), 0, "not_ready", false},
	} {
		first, second := &recording{}, &recording{}
		f := start(t, test.decider, func(o *admission.Options) { o.Observers = []admission.Observer{first, second} })
		f.post(admission.ValidatePath, test.body)
		f.server.Close() // waits for the handler
		for _, r := range []*recording{first, second} {
			if len(r.observed) != 1 {
				t.Fatalf("%s: observed %d times", name, len(r.observed))
			}
			o := r.observed[0]
			if o.Path != admission.ValidatePath || o.Verdict != test.verdict || o.Reason != test.reason || (o.Err != nil) != (test.reason != "") ||
				(o.Decision != nil) != test.decided || (o.Duration > 0) != (o.Request != nil || test.reason == "malformed") {
				t.Errorf("%s: observed %+v", name, o)
			}
		}
	}
}
