package admission_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"taffrail.dev/test/golden"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	golden.Check(t, filepath.Join("testdata", name), got+"\n")
}

func TestDenied(t *testing.T) {
	d := denied(25)
	d.Findings = append(d.Findings, imageTag(decision.ModeWarn))
	f := start(t, answering(d))
	r := f.reviewed(f.post("/validate?timeout=10s", body("Deployment", deployment)))
	if r.Allowed || r.Result.Code != http.StatusForbidden || r.Result.Reason != "Forbidden" || r.Result.Status != "Failure" {
		t.Fatalf("%+v", r)
	}
	checkGolden(t, "denial.txt", r.Result.Message)
	if n := strings.Count(r.Result.Message, "\n- image-tag"); n != 20 {
		t.Errorf("%d findings are spelled out", n)
	}
	if !strings.HasSuffix(r.Result.Message, "and 5 more findings of image-tag") {
		t.Error("the rest is not counted")
	}
	if n := len(r.Result.Details.Causes); n != 20 {
		t.Errorf("%d causes", n)
	}
	if len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], `image-tag, container "nginx": `) {
		t.Errorf("warnings %q", r.Warnings)
	}
	if !strings.HasPrefix(r.AuditAnnotations["image-tag"], "enforce, denied, required by Guardrail chapter: c00: ") {
		t.Errorf("annotations %q", r.AuditAnnotations)
	}
	for name, labels := range map[string]map[string]string{
		"taffrail_requests_total":     {"path": "/validate", "operation": "CREATE", "verdict": "deny"},
		"taffrail_evaluation_seconds": {"path": "/validate"},
	} {
		if got := f.metric(name, labels); got != 1 {
			t.Errorf("%s%v is %v", name, labels, got)
		}
	}
	if got := f.metric("taffrail_policy_results_total", map[string]string{"policy": "image-tag", "outcome": "denied"}); got != 25 {
		t.Errorf("%v denied results", got)
	}
}

func TestAllowedSaysNothing(t *testing.T) {
	f := start(t, answering(&decision.Decision{Verdict: decision.VerdictAllow}))
	for _, path := range []string{"/validate", "/mutate"} {
		r := f.reviewed(f.post(path, body("Deployment", deployment)))
		if !r.Allowed || r.Result != nil || r.Warnings != nil || r.AuditAnnotations != nil || r.Patch != nil {
			t.Errorf("%s: %+v", path, r)
		}
	}
}

func TestWarnedAndAudited(t *testing.T) {
	audited := imageTag(decision.ModeAudit)
	audited.Policy = "spread-replicas"
	long := imageTag(decision.ModeWarn)
	long.Message = strings.Repeat("ü", 500)
	d := &decision.Decision{Verdict: decision.VerdictWarn, Findings: []decision.Finding{long, audited}}
	f := start(t, answering(d))
	r := f.reviewed(f.post("/validate", body("Deployment", deployment)))
	if !r.Allowed || len(r.Warnings) != 1 || utf8.RuneCountInString(r.Warnings[0]) != 120 || !strings.HasSuffix(r.Warnings[0], "…") {
		t.Errorf("%+v", r)
	}
	if !strings.HasPrefix(r.AuditAnnotations["spread-replicas"], "audit, recorded") || len(r.AuditAnnotations) != 2 {
		t.Errorf("%v", r.AuditAnnotations)
	}
}

func TestDryRunIsNotCounted(t *testing.T) {
	f := start(t, answering(denied(1)))
	if r := f.reviewed(f.post("/validate", body("Deployment", deployment, `,"dryRun":true`))); r.Allowed {
		t.Error("a dry run is decided like any other")
	}
	if got := f.metric("taffrail_policy_results_total", nil); got != 0 {
		t.Errorf("%v results", got)
	}
}

func fills(mode decision.Mode) *decision.Decision {
	return &decision.Decision{
		Verdict: decision.VerdictAllow,
		Fills: []decision.Fill{{Policy: "inject-resources", Guardrails: []string{"chapter"}, Mode: mode,
			Container: "nginx", Field: "resources.requests.cpu", Value: "100m"}},
	}
}

func TestMutate(t *testing.T) {
	enforced := fills(decision.ModeEnforce)
	enforced.Patch = []decision.PatchOperation{{Op: "add", Path: "/spec/containers/0/resources", Value: map[string]any{}}}
	f := start(t, answering(enforced))
	r := f.reviewed(f.post("/mutate", podBody()))
	if !r.Allowed || string(r.Patch) != `[{"op":"add","path":"/spec/containers/0/resources","value":{}}]` || *r.PatchType != "JSONPatch" || r.Warnings != nil {
		t.Errorf("%+v, patch %s", r, r.Patch)
	}
	if want := "enforce, required by Guardrail chapter: nginx: sets requests.cpu=100m"; r.AuditAnnotations["inject-resources"] != want {
		t.Errorf("annotations %v", r.AuditAnnotations)
	}
	if r := f.reviewed(f.post("/validate", podBody())); r.Patch != nil {
		t.Error("/validate patches")
	}
	if got := f.metric("taffrail_policy_results_total", map[string]string{"outcome": "filled"}); got != 1 {
		t.Errorf("%v filled", got)
	}
}

func TestFillsInWarnModeAreToldOnce(t *testing.T) {
	want := `inject-resources, container "nginx": would set requests.cpu=100m`
	f := start(t, answering(fills(decision.ModeWarn)))
	for _, c := range []struct {
		path, body string
		told       bool
	}{
		{"/mutate", podBody(), true},
		{"/mutate", body("Deployment", deployment), false},
		{"/validate", body("Deployment", deployment), true},
	} {
		r := f.reviewed(f.post(c.path, c.body))
		if told := slices.Equal(r.Warnings, []string{want}); told != c.told || !c.told && r.Warnings != nil {
			t.Errorf("%s: warnings %q", c.path, r.Warnings)
		}
	}
}

func TestMutateNeverDenies(t *testing.T) {
	d := denied(1)
	d.Errors = map[string]error{"other": errors.New("broken")}
	f := start(t, answering(d))
	if r := f.reviewed(f.post("/mutate", podBody())); !r.Allowed || r.Warnings != nil {
		t.Errorf("%+v", r)
	}
}

// A policy that fails still leads to a decision: an error would leave the request to the webhook's
// failurePolicy, and Ignore would admit the object.
func TestAPolicyThatCannotDecideIsADecision(t *testing.T) {
	cannot := func(mode decision.Mode, unknown string) decision.Finding {
		return decision.Finding{Policy: "broken", Mode: mode, Guardrails: []string{"chapter"}, Message: "this policy cannot decide the object", Failed: true, FailOpen: unknown != "", Unknown: unknown}
	}
	failed := map[string]error{"broken": errors.New("hunter2")}
	for name, c := range map[string]struct {
		decision decision.Decision
		path     string
		allowed  bool
	}{
		"under Fail":                 {decision.Decision{Verdict: decision.VerdictDeny, Findings: []decision.Finding{cannot(decision.ModeEnforce, "")}, Errors: failed}, "/validate", false},
		"under Fail, an injection":   {decision.Decision{Verdict: decision.VerdictDeny, Findings: []decision.Finding{cannot(decision.ModeEnforce, "")}, Errors: failed}, "/mutate", false},
		"under Ignore":               {decision.Decision{Verdict: decision.VerdictUnknown, Findings: []decision.Finding{cannot(decision.ModeEnforce, "x")}, Errors: failed}, "/validate", true},
		"warned":                     {decision.Decision{Verdict: decision.VerdictWarn, Findings: []decision.Finding{cannot(decision.ModeWarn, "")}, Errors: failed}, "/validate", true},
		"audited":                    {decision.Decision{Verdict: decision.VerdictAllow, Findings: []decision.Finding{cannot(decision.ModeAudit, "")}, Errors: failed}, "/validate", true},
		"nothing known of how bound": {decision.Decision{Verdict: decision.VerdictAllow, Errors: failed}, "/validate", true},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, answering(&c.decision))
			sent := body("Deployment", deployment)
			if c.path == "/mutate" {
				sent = podBody()
			}
			a := f.post(c.path, sent)
			if a.status != 200 || strings.Contains(a.text, "hunter2") {
				t.Fatalf("HTTP %d: %s", a.status, a.text)
			}
			if r := f.reviewed(a); r.Allowed != c.allowed || r.AuditAnnotations["broken"] == "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestTooLargeOrTooDeep(t *testing.T) {
	large := body("Deployment", `{"metadata":{"name":"hunter2`+strings.Repeat("x", request.MaxBytes)+`"}}`)
	deep := body("Deployment", strings.Repeat(`{"a":`, request.MaxDepth+2)+"1"+strings.Repeat("}", request.MaxDepth+2))
	wide := body("Deployment", `{"spec":{"template":{"spec":{"containers":[{}`+strings.Repeat(",{}", request.MaxContainers)+`]}}}}`)
	for name, c := range map[string]struct {
		path, body string
		mode       v1alpha1.Mode
		policy     string
		allowed    bool
		warnings   int
		notes      int
	}{
		"enforced, large": {"/validate", large, v1alpha1.ModeEnforce, "image-tag", false, 0, 1},
		"enforced, deep":  {"/validate", deep, v1alpha1.ModeEnforce, "image-tag", false, 0, 1},
		"enforced, wide":  {"/validate", wide, v1alpha1.ModeEnforce, "image-tag", false, 0, 1},
		"warned":          {"/validate", large, v1alpha1.ModeWarn, "image-tag", true, 1, 1},
		"audited":         {"/validate", large, v1alpha1.ModeAudit, "image-tag", true, 0, 1},
		"not bound":       {"/validate", large, v1alpha1.ModeEnforce, "restricted-service-type", true, 0, 0},
		"mutating":        {"/mutate", large, v1alpha1.ModeEnforce, "image-tag", true, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, binding(t, c.mode, c.policy, plain{}))
			r := f.reviewed(f.post(c.path, c.body))
			if r.Allowed != c.allowed || len(r.Warnings) != c.warnings || len(r.AuditAnnotations) != c.notes {
				t.Errorf("%+v", r)
			}
			if !c.allowed {
				if r.Result.Code != http.StatusForbidden || !strings.HasPrefix(r.Result.Message, "Deployment eks-work/nginx is denied by ") {
					t.Errorf("%+v", r.Result)
				}
				checkGolden(t, strings.ReplaceAll(name, ", ", "_")+".txt", r.Result.Message)
			}
		})
	}
}

func TestTooLargeToNameIsAnError(t *testing.T) {
	f := start(t, fake{})
	a := f.post("/validate", `{"request":{"object":{"a":"`+strings.Repeat("x", request.MaxBytes)+`"}}}`)
	if a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("HTTP %d: %s", a.status, a.text)
	}
}

func TestOversizedFails(t *testing.T) {
	f := start(t, binding(t, v1alpha1.ModeEnforce, "image-tag", silent{}))
	a := f.post("/validate", body("Deployment", `{"a":"`+strings.Repeat("x", request.MaxBytes)+`"}`))
	if a.status != http.StatusInternalServerError {
		t.Errorf("HTTP %d: %s", a.status, a.text)
	}
}

func TestDenyWithoutFindingIsADefect(t *testing.T) {
	f := start(t, answering(&decision.Decision{Verdict: decision.VerdictDeny}))
	if a := f.post("/validate", body("Deployment", deployment)); a.status != http.StatusInternalServerError {
		t.Errorf("HTTP %d: %s", a.status, a.text)
	}
}

func TestRequestReachesTheDecider(t *testing.T) {
	var got *decision.Request
	f := start(t, fake{decide: func(_ context.Context, r *decision.Request) (*decision.Decision, error) {
		got = r
		return &decision.Decision{Verdict: decision.VerdictAllow}, nil
	}})
	for path, origin := range map[string]decision.Origin{"/mutate": decision.OriginMutating, "/validate": decision.OriginValidating} {
		f.reviewed(f.post(path, body("Deployment", deployment)))
		if got.Origin != origin || got.User.Name != "alice" || got.Namespace.Name != "eks-work" || got.Name != "nginx" {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
