package pipeline_test

import (
	"testing"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
)

// Facts that could not be read make the policies that need them unknown. All others decide.
func TestAFactThatCannotBeReadLeavesOtherPoliciesAlone(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce,
		binding("quota-fit", ""), binding("image-tag", ""), binding("inject-resources", `{"limits":{"cpu":"1"}}`), binding("require-resources", "")))
	f := known(nil)
	for _, fact := range []decision.Fact{decision.FactLimitRanges, decision.FactResourceQuotas} {
		f.facts.SetUnread(fact, "you are not permitted")
	}
	d := decide(t, s, manifest(t, deployment(container(map[string]any{"image": "nginx"}))), f)
	found := map[string]int{}
	for _, finding := range d.Findings {
		found[finding.Policy]++
		if wantUnknown := finding.Policy != "image-tag"; (finding.Unknown == "you are not permitted") != wantUnknown {
			t.Errorf("%+v", finding)
		}
	}
	if len(found) != 4 || found["require-resources"] != 1 || d.Verdict != decision.VerdictDeny || len(d.Fills) > 0 || len(d.Errors) > 0 {
		t.Errorf("found %v; %+v", found, d)
	}

	s = build(t, guardrail("g", v1alpha1.ModeEnforce, binding("image-tag", "")))
	if d := decide(t, s, manifest(t, deployment(container(map[string]any{"image": "nginx:1.27"}))), f); d.Verdict != decision.VerdictAllow {
		t.Errorf("a fact that no policy needs matters: %+v", d)
	}
}

// A field that an enforced injection may fill is undecided if a fact is unread that the injection needs, whichever it is.
func TestAFieldThatMayBeFilledIsUndecided(t *testing.T) {
	s := build(t, guardrail("g", v1alpha1.ModeEnforce,
		binding("inject-resources", `{"limits":{"cpu":"1"}}`), binding("require-resources", "")))
	pod := manifest(t, deployment(container(map[string]any{"image": "nginx"})))
	for _, fact := range []decision.Fact{decision.FactLimitRanges, decision.FactResourceQuotas} {
		f := known(nil)
		f.facts.SetUnread(fact, "you are not permitted")
		d := decide(t, s, pod, f)
		for _, finding := range d.Findings {
			if finding.Unknown != "you are not permitted" || finding.WouldDeny {
				t.Errorf("%s: %+v", fact, finding)
			}
		}
		if len(d.Findings) < 2 || d.Verdict == decision.VerdictDeny || len(d.Fills) > 0 {
			t.Errorf("%s: %+v", fact, d)
		}
	}
	// Nothing fills the limit in where the injection is not enforced.
	s = build(t, guardrail("g", v1alpha1.ModeEnforce, binding("require-resources", "")), guardrail("h", v1alpha1.ModeWarn, binding("inject-resources", `{"limits":{"cpu":"1"}}`)))
	f := known(nil)
	f.facts.SetUnread(decision.FactResourceQuotas, "you are not permitted")
	if d := decide(t, s, pod, f); d.Verdict != decision.VerdictDeny {
		t.Errorf("%+v", d)
	}
}
