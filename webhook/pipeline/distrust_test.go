package pipeline_test

import (
	"errors"
	"testing"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
)

// Only the deployment controller loses trust, only for a template that no revision has, and only if something
// is found in it.
func TestWhoIsDistrustedForATemplateFromNowhere(t *testing.T) {
	const controller = "system:serviceaccount:kube-system:deployment-controller"
	web := func(image, history string) string {
		return `{"metadata":{"name":"web","uid":"1"},"spec":{"selector":{"matchLabels":{"app":"web"}},"revisionHistoryLimit":` + history +
			`,"template":{"spec":{"containers":[{"name":"a","image":"` + image + `"}]}}}}`
	}
	g := guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("rollback-history", ""))
	g.Spec.TrustedWriters.Users = []string{"alice"}
	held := *g.DeepCopy()
	held.Spec.Policies[0].Mode = v1alpha1.ModeAudit
	counted := *g.DeepCopy()
	counted.Spec.Mode = v1alpha1.ModeWarn
	away := errors.New("away")
	for name, c := range map[string]struct {
		guardrail  v1alpha1.Guardrail
		user       string
		new, old   string
		live       *live
		want       decision.Verdict
		err        error
		change     func(*decision.Request)
		lookedUp   bool
		wouldDenyN int
	}{
		"the controller, from nowhere":      {g, controller, web("nginx", "10"), web("nginx:1", "10"), &live{}, decision.VerdictDeny, nil, nil, true, 1},
		"the controller, nobody answers":    {g, controller, web("nginx", "10"), web("nginx:1", "10"), &live{err: away}, 0, away, nil, true, 0},
		"the controller, without a finding": {g, controller, web("nginx:2", "10"), web("nginx:1", "10"), &live{}, decision.VerdictAllow, nil, nil, false, 0},
		"the controller, the same template": {g, controller, web("nginx", "0"), web("nginx", "10"), &live{}, decision.VerdictAllow, nil, nil, false, 0},
		"the controller, elsewhere":         {g, controller, web("nginx:2", "0"), web("nginx:1", "10"), &live{}, decision.VerdictAllow, nil, nil, false, 0},
		"a trusted writer":                  {g, "alice", web("nginx", "10"), web("nginx:1", "10"), &live{}, decision.VerdictAllow, nil, nil, false, 0},
		"another writer":                    {g, "bob", web("nginx", "10"), web("nginx:1", "10"), &live{}, decision.VerdictDeny, nil, nil, true, 1},
		"a binding that is held":            {held, controller, web("nginx", "10"), web("nginx:1", "10"), &live{}, decision.VerdictAllow, nil, nil, false, 0},
		"what is only counted":              {counted, controller, web("nginx", "10"), web("nginx:1", "10"), &live{}, decision.VerdictWarn, nil, nil, true, 1},
		"what is only counted, nobody answers": {
			counted, controller, web("nginx", "10"), web("nginx:1", "10"), &live{err: away}, decision.VerdictAllow, nil, nil, true, 0,
		},
		"a new one": {g, controller, web("nginx", "10"), "null", &live{}, decision.VerdictAllow, nil, func(r *decision.Request) { r.Operation = decision.Create }, false, 0},
	} {
		s := build(t, c.guardrail)
		r := reviewed(t, decision.OriginValidating, "UPDATE", "apps", "Deployment", c.new, c.old)
		r.User.Name = c.user
		if c.change != nil {
			c.change(r)
		}
		d, err := pipeline.New(s, known(nil), pipeline.Options{Live: c.live}).Decide(t.Context(), r)
		if !errors.Is(err, c.err) || (c.live.asked > 0) != c.lookedUp {
			t.Errorf("%s: %v after %d looks", name, err, c.live.asked)
			continue
		}
		if err != nil {
			continue
		}
		would := 0
		for _, f := range d.Findings {
			if f.WouldDeny {
				would++
			}
		}
		if d.Verdict != c.want || would != c.wouldDenyN {
			t.Errorf("%s: got %s, %d would be denied: %+v", name, d.Verdict, would, d.Findings)
		}
	}
}
