package pipeline_test

import (
	"errors"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// Which mode is the strictest is asked where an object cannot be looked at. Nobody knows is
// an answer of its own.
func TestWhatIsBoundWhereAnObjectIsNotLookedAt(t *testing.T) {
	warned := guardrail("warned", v1alpha1.ModeWarn, binding("image-tag", ""))
	trusting := guardrail("trusting", v1alpha1.ModeEnforce, binding("image-tag", ""))
	trusting.Spec.TrustedWriters.Users = []string{"alice"}
	services := guardrail("services", v1alpha1.ModeEnforce, binding("restricted-service-type", ""))
	held := guardrail("held", v1alpha1.ModeEnforce, binding("image-tag", ""))
	held.Spec.Policies[0].Mode = v1alpha1.ModeAudit
	twice := guardrail("twice", v1alpha1.ModeWarn, binding("image-tag", ""), binding("require-probes", ""))
	away := errors.New("away")
	for name, c := range map[string]struct {
		guardrails []v1alpha1.Guardrail
		change     func(*decision.Request)
		source     facts
		ceiling    decision.Mode
		want       string
		would      string
	}{
		"none":             {[]v1alpha1.Guardrail{services}, nil, known(nil), 0, "Mode(0) []", "[]"},
		"the strictest":    {[]v1alpha1.Guardrail{warned, *enforcing("g", binding("image-tag", "")), twice}, nil, known(nil), 0, "enforce [g]", "[g twice warned]"},
		"each once":        {[]v1alpha1.Guardrail{warned, twice}, nil, known(nil), 0, "warn [twice warned]", "[twice warned]"},
		"a trusted writer": {[]v1alpha1.Guardrail{trusting}, nil, known(nil), 0, "audit [trusting]", "[]"},
		"a controller": {[]v1alpha1.Guardrail{warned}, func(r *decision.Request) {
			r.Kind.Kind, r.User.Name = "ReplicaSet", "system:serviceaccount:kube-system:deployment-controller"
		}, known(nil), 0, "audit [warned]", "[]"},
		"under a ceiling": {[]v1alpha1.Guardrail{warned, *enforcing("g", binding("image-tag", "")), held}, nil, known(nil), decision.ModeAudit, "audit [g held warned]", "[g warned]"},
		"another kind":    {[]v1alpha1.Guardrail{warned}, func(r *decision.Request) { r.Kind = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"} }, known(nil), 0, "Mode(0) []", "[]"},
		"a held mode":     {[]v1alpha1.Guardrail{held, warned}, nil, known(nil), 0, "warn [warned]", "[warned]"},
		"a status":        {[]v1alpha1.Guardrail{warned}, func(r *decision.Request) { r.Subresource = "scale" }, known(nil), 0, "Mode(0) []", "[]"},
		"a removal":       {[]v1alpha1.Guardrail{warned}, func(r *decision.Request) { r.Operation = "DELETE" }, known(nil), 0, "Mode(0) []", "[]"},
		"nobody knows":    {[]v1alpha1.Guardrail{warned}, nil, facts{err: away}, 0, "away", "away"},
	} {
		s := build(t, c.guardrails...)
		r := reviewed(t, decision.OriginValidating, "CREATE", "apps", "Deployment", untagged, "null")
		if c.change != nil {
			c.change(r)
		}
		d, err := pipeline.New(s, c.source, pipeline.Options{MaxMode: c.ceiling}).DecideOversized(t.Context(), &request.LimitError{Request: r})
		if c.want == "away" {
			if !errors.Is(err, away) {
				t.Errorf("%s: got %+v, %v", name, d, err)
			}
			continue
		}
		var f decision.Finding
		if err == nil && len(d.Findings) > 0 {
			f = d.Findings[0]
		}
		if got := fmt.Sprintf("%v %v", f.Mode, f.Guardrails); err != nil || got != c.want || len(d.Findings) > 0 && d.Verdict != f.Mode.Verdict() {
			t.Errorf("%s: got %s, %+v, %v", name, got, d, err)
		}
		if got := fmt.Sprint(f.WouldDenyBy); got != c.would || f.WouldDeny != (c.would != "[]") {
			t.Errorf("%s: would be denied by %s", name, got)
		}
	}
}

// An object that is too much to be read is not one whose labels stay.
func TestOversizedUpdateOfLabels(t *testing.T) {
	s := build(t, guardrail("strict", v1alpha1.ModeEnforce, binding("loadbalancer-exposure", "")))
	r := admission(t, "UPDATE", "", "Service", "status", "carol", fmt.Sprintf(balancer, internal, `{}`), fmt.Sprintf(balancer, internal, `{}`))
	r.Object, r.OldObject = nil, nil
	d, err := pipeline.New(s, known(nil), pipeline.Options{}).DecideOversized(t.Context(), &request.LimitError{Request: r})
	if err != nil || d.Verdict != decision.VerdictDeny {
		t.Errorf("%+v, %v", d, err)
	}
}
