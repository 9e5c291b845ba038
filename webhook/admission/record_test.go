package admission_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/decision"
)

// decisions records the decisions that a Handler reports.
type decisions struct {
	mutex sync.Mutex
	all   []*decision.Decision
}

func (d *decisions) Observe(o *admission.Observation) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if o.Decision != nil {
		d.all = append(d.all, o.Decision)
	}
}

// Decisions with findings, errors or a patch are always logged; others, and dry runs, only at a higher
// verbosity.
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

// If a decision's policies ran out of time, they are not reported as broken.
func TestPoliciesThatAreLateAreNotBroken(t *testing.T) {
	seen := &decisions{}
	f := start(t, fake{decide: func(ctx context.Context, _ *decision.Request) (*decision.Decision, error) {
		<-ctx.Done()
		return &decision.Decision{Verdict: decision.VerdictAllow, Errors: map[string]error{"p": ctx.Err()}}, nil
	}}, func(o *admission.Options) { o.Observers = append(o.Observers, seen) })
	if a := f.post("/validate?timeout=100ms", body("Deployment", deployment)); a.status != http.StatusGatewayTimeout || len(seen.all) > 0 {
		t.Errorf("HTTP %d: %s, %d decisions", a.status, a.text, len(seen.all))
	}
}
