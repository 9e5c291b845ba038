package pipeline_test

import (
	"strings"
	"testing"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

// What an injection would set once it is enforced would not be denied then, so it is not
// counted as that: under audit as under warn, in a file as at the webhook.
func TestWhatWouldBeFilledWouldNotBeDenied(t *testing.T) {
	demand := binding("require-resources", "")
	inject := binding("inject-resources", `{"requests":{"cpu":"10m","memory":"64Mi"},"limits":{"cpu":"1","memory":"64Mi"}}`)
	some := binding("inject-resources", `{"fill":["requests"]}`)
	for name, test := range map[string]struct {
		mode     v1alpha1.Mode
		bindings []v1alpha1.PolicyBinding
		denied   string // part of a path that would be denied, "" if none would
		never    string // part of one that would not
	}{
		"nothing fills it":       {v1alpha1.ModeAudit, []v1alpha1.PolicyBinding{demand}, "resources", "nothing"},
		"audit":                  {v1alpha1.ModeAudit, []v1alpha1.PolicyBinding{demand, inject}, "", "resources"},
		"warn":                   {v1alpha1.ModeWarn, []v1alpha1.PolicyBinding{demand, inject}, "", "resources"},
		"a part of it is filled": {v1alpha1.ModeAudit, []v1alpha1.PolicyBinding{demand, some}, "resources.limits", "resources.requests"},
	} {
		s := build(t, guardrail("g", test.mode, test.bindings...))
		for _, origin := range []decision.Origin{decision.OriginManifest, decision.OriginValidating} {
			r := manifest(t, pod(map[string]any{"name": "a", "image": "a:1"}))
			r.Origin = origin
			found := false
			for _, f := range decide(t, s, r, known(nil)).Findings {
				if f.Policy != "require-resources" || !f.WouldDeny {
					continue
				}
				found = found || test.denied != "" && strings.Contains(f.Path, test.denied)
				if test.denied == "" || strings.Contains(f.Path, test.never) {
					t.Errorf("%s, %v: %s would be denied", name, origin, f.Path)
				}
			}
			if test.denied != "" && !found {
				t.Errorf("%s, %v: nothing about %s would be denied", name, origin, test.denied)
			}
		}
	}
}

// What a trusted writer creates is left as it is under a Guardrail that tolerates what exists,
// and the decision gives the reason.
func TestATrustedWritersPodIsNotFilled(t *testing.T) {
	g := injectingSince(t)
	g.Spec.TrustedWriters.Users = []string{"operator"}
	s := build(t, g)
	for user, want := range map[string]string{"operator": "the writer is trusted", "alice": ""} {
		r := reviewed(t, decision.OriginMutating, "CREATE", "", "Pod", `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`, "null")
		r.User.Name = user
		f := known(nil)
		f.namespace.Created = minutes(1).Time
		d, err := pipeline.New(s, f, pipeline.Options{Templates: storedObjects{}}).Decide(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Fills) == 0 || (len(d.Patch) > 0) != (want == "") {
			t.Errorf("%s: fills %+v, patch %v", user, d.Fills, d.Patch)
		}
		for _, f := range d.Fills {
			if f.SkipReason != want {
				t.Errorf("%s: %s is left: %q", user, f.Field, f.SkipReason)
			}
		}
	}
}
