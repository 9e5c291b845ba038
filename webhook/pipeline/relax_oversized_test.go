package pipeline_test

import (
	"slices"
	"testing"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// If a Namespace is too large to be inspected, exactly the Guardrails that may select it count as lost.
func TestANamespaceThatNobodyCanReadLosesWhatMayHoldIt(t *testing.T) {
	hard := guardrail("hard", v1alpha1.ModeEnforce, binding("image-tag", ""))
	firm := guardrail("firm", v1alpha1.ModeEnforce, binding("image-tag", ""), binding("require-probes", ""))
	soft := guardrail("soft", v1alpha1.ModeWarn, binding("image-tag", ""))
	quiet := guardrail("quiet", v1alpha1.ModeAudit, binding("image-tag", ""))
	elsewhere := guardrail("elsewhere", v1alpha1.ModeEnforce, binding("image-tag", ""))
	elsewhere.Spec.ExcludeNamespaces = []string{"team-a"}
	for name, test := range map[string]struct {
		guardrails []v1alpha1.Guardrail
		ceiling    decision.Mode
		verdict    decision.Verdict
		mode       decision.Mode
		lost       []string
	}{
		"no Guardrail":              {[]v1alpha1.Guardrail{}, 0, decision.VerdictAllow, 0, nil},
		"one that excludes it":      {[]v1alpha1.Guardrail{elsewhere}, 0, decision.VerdictAllow, 0, nil},
		"one that enforces":         {[]v1alpha1.Guardrail{hard, elsewhere}, 0, decision.VerdictDeny, decision.ModeEnforce, []string{"hard"}},
		"two that enforce":          {[]v1alpha1.Guardrail{firm, hard, soft}, 0, decision.VerdictDeny, decision.ModeEnforce, []string{"firm", "hard"}},
		"the strictest comes later": {[]v1alpha1.Guardrail{quiet, soft, guardrail("zeal", v1alpha1.ModeEnforce, binding("image-tag", ""))}, 0, decision.VerdictDeny, decision.ModeEnforce, []string{"zeal"}},
		"one that warns":            {[]v1alpha1.Guardrail{soft, quiet}, 0, decision.VerdictWarn, decision.ModeWarn, []string{"soft"}},
		"one that records":          {[]v1alpha1.Guardrail{quiet}, 0, decision.VerdictAllow, decision.ModeAudit, []string{"quiet"}},
		"under warn":                {[]v1alpha1.Guardrail{hard, soft, quiet}, decision.ModeWarn, decision.VerdictWarn, decision.ModeWarn, []string{"hard", "soft"}},
		"under audit":               {[]v1alpha1.Guardrail{hard, soft}, decision.ModeAudit, decision.VerdictAllow, decision.ModeAudit, []string{"hard", "soft"}},
	} {
		limit := &request.LimitError{What: "depth", Limit: 64, Request: relabel(nil, nil)}
		d := pipeline.New(build(t, test.guardrails...), nil, pipeline.Options{MaxMode: test.ceiling}).RelaxOversized(limit)
		if d.Verdict != test.verdict {
			t.Errorf("%s: %s", name, d.Verdict)
		}
		if len(test.lost) == 0 {
			if len(d.Findings) > 0 {
				t.Errorf("%s: nothing is lost, but got %+v", name, d.Findings)
			}
			continue
		}
		if len(d.Findings) != 1 || d.Findings[0].Mode != test.mode || !slices.Equal(d.Findings[0].Guardrails, test.lost) || d.Findings[0].Policy != decision.RelaxVerb {
			t.Errorf("%s: %+v", name, d.Findings)
		}
	}
}
