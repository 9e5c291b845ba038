package admission_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// heard is what a Handler's owner is told of requests.
type heard struct {
	mutex sync.Mutex
	lines []string
}

func (h *heard) add(line string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.lines = append(h.lines, line)
}

func (h *heard) listen(o *admission.Options) {
	o.Admitted = func(_ *config.Snapshot, r *decision.Request, decision *decision.Decision) {
		h.add(fmt.Sprintf("admitted %s as %s", r.Subject(), decision.Verdict))
	}
	o.Failed = func(policy string, err error) { h.add(fmt.Sprintf("failed %s: %v", policy, err)) }
}

// Whoever counts learns of every object that is let in, and of every policy that fails, but
// for dry runs.
func TestAdmittedObjectsAndFailedPoliciesAreTold(t *testing.T) {
	broken := map[string]error{"p": errors.New("no time")}
	for name, c := range map[string]struct {
		decision *decision.Decision
		dry      bool
		want     []string
	}{
		"allowed":           {&decision.Decision{Verdict: decision.VerdictAllow}, false, []string{"admitted Deployment eks-work/nginx as allow"}},
		"warned":            {&decision.Decision{Verdict: decision.VerdictWarn, Findings: []decision.Finding{imageTag(decision.ModeWarn)}}, false, []string{"admitted Deployment eks-work/nginx as warn"}},
		"unknown":           {&decision.Decision{Verdict: decision.VerdictUnknown}, false, []string{"admitted Deployment eks-work/nginx as unknown"}},
		"denied":            {denied(1), false, nil},
		"failed":            {&decision.Decision{Verdict: decision.VerdictAllow, Errors: broken}, false, []string{"admitted Deployment eks-work/nginx as allow", "failed p: no time"}},
		"failed and denied": {&decision.Decision{Verdict: decision.VerdictDeny, Findings: denied(1).Findings, Errors: broken}, false, []string{"failed p: no time"}},
		"a dry run":         {&decision.Decision{Verdict: decision.VerdictAllow, Errors: broken}, true, nil},
	} {
		h := &heard{}
		f := start(t, answering(c.decision), h.listen)
		dry := ""
		if c.dry {
			dry = `,"dryRun":true`
		}
		f.reviewed(f.post("/validate", body("Deployment", deployment, dry)))
		f.server.Close()
		slices.Sort(h.lines)
		if !slices.Equal(h.lines, c.want) {
			t.Errorf("%s: got %q", name, h.lines)
		}
	}
	h := &heard{}
	f := start(t, failing(errors.New("away")), h.listen)
	if a := f.post("/validate", body("Deployment", deployment)); a.status != http.StatusInternalServerError || len(h.lines) > 0 {
		t.Errorf("HTTP %d, %q", a.status, h.lines)
	}
}

// The log has what there is to say: of a decision with findings, errors or a patch always, of
// others and of dry runs only if one asks for more.
func TestWhatIsLoggedOfADecision(t *testing.T) {
	patched := fills(decision.ModeEnforce)
	patched.Patch = []decision.PatchOperation{{Op: "add", Path: "/spec/containers/0/resources", Value: map[string]any{}}}
	found := imageTag(decision.ModeWarn)
	found.Container = ""
	for name, c := range map[string]struct {
		decision *decision.Decision
		path     string
		body     string
		level    int
		want     []string
	}{
		"nothing": {&decision.Decision{Verdict: decision.VerdictAllow}, "/validate", body("Deployment", deployment), 1, []string{
			`"path"="/validate" "snapshot"="abc123" "uid"="uid-1" "operation"="CREATE" "kind"="Deployment" "namespace"="eks-work" "name"="nginx" "user"="alice" "verdict"="allow" "seconds"=`,
		}},
		"a finding": {&decision.Decision{Verdict: decision.VerdictWarn, Findings: []decision.Finding{found}}, "/validate", body("Deployment", deployment), 0, []string{
			`"verdict"="warn"`, `"findings"=["image-tag: warn, warned"]`,
		}},
		"an error": {&decision.Decision{Verdict: decision.VerdictAllow, Errors: map[string]error{"p": errors.New("no time")}}, "/validate", body("Deployment", deployment), 0, []string{
			`"msg"="A policy could not be evaluated"`, `"error"="no time"`, `"policy"="p"`, `"msg"="Decided"`,
		}},
		"a patch": {patched, "/mutate", podBody(), 0, []string{`"name"="nginx-*"`, `"patched"=["inject-resources, container \"nginx\": sets requests.cpu=100m"]`}},
		"a dry run": {denied(1), "/validate", body("Deployment", deployment, `,"dryRun":true`), 1, []string{
			`"user"="alice" "dryRun"=true "verdict"="deny"`, `"findings"=["image-tag/c00: enforce, denied"]`,
		}},
		"a subresource": {denied(1), "/validate", body("Pod", pod, `,"subResource":"resize"`), 0, []string{`"subresource"="resize"`}},
	} {
		for level := range 2 {
			var mutex sync.Mutex
			var log strings.Builder
			f := start(t, answering(c.decision), func(o *admission.Options) {
				o.Log = funcr.New(func(_, args string) {
					mutex.Lock()
					defer mutex.Unlock()
					log.WriteString(args + "\n")
				}, funcr.Options{Verbosity: level})
			})
			f.reviewed(f.post(c.path, c.body))
			f.server.Close()
			if level < c.level {
				if strings.Contains(log.String(), "Decided") {
					t.Errorf("%s: logged at level %d: %s", name, level, log.String())
				}
				continue
			}
			for _, want := range c.want {
				if !strings.Contains(log.String(), want) {
					t.Errorf("%s: the log at level %d lacks %s: %s", name, level, want, log.String())
				}
			}
			for _, not := range []string{"patched", "dryRun", "subresource", "findings"} {
				if !strings.Contains(strings.Join(c.want, " "), not) && not != "findings" && strings.Contains(log.String(), `"`+not+`"`) {
					t.Errorf("%s: the log has %s: %s", name, not, log.String())
				}
			}
		}
	}
}

// Findings in the past of a request that nobody waits for any more are no decision.
func TestPoliciesThatAreLateAreNotBroken(t *testing.T) {
	h := &heard{}
	f := start(t, fake{decide: func(ctx context.Context, _ *decision.Request) (*decision.Decision, error) {
		<-ctx.Done()
		return &decision.Decision{Verdict: decision.VerdictAllow, Errors: map[string]error{"p": ctx.Err()}}, nil
	}}, h.listen)
	if a := f.post("/validate?timeout=100ms", body("Deployment", deployment)); a.status != http.StatusGatewayTimeout || len(h.lines) > 0 {
		t.Errorf("HTTP %d: %s, %q", a.status, a.text, h.lines)
	}
}
