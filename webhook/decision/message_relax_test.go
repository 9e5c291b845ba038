package decision_test

import (
	"fmt"
	"strings"
	"testing"

	"taffrail.dev/webhook/decision"
)

// The message describes as many Guardrails as a denial describes findings, and counts the others. For the first
// one, it says how to grant the permission.
func TestRelaxDenialIsBounded(t *testing.T) {
	user := decision.User{Name: "alice"}
	for n, more := range map[int]string{
		1: "", decision.MaxFindings: "", decision.MaxFindings + 1: "\n- and 1 more Guardrail\n", decision.MaxFindings + 2: "\n- and 2 more Guardrails\n",
	} {
		d := &decision.Decision{Verdict: decision.VerdictDeny}
		for i := range n {
			name := fmt.Sprintf("g%02d", i)
			d.Findings = append(d.Findings, decision.Finding{
				Policy: decision.RelaxVerb, Guardrails: []string{name}, Mode: decision.ModeEnforce, Path: "metadata.labels", Message: "loses " + name, Remediation: "Leave " + name + ".",
			})
		}
		d.Findings = append(d.Findings, decision.Finding{Guardrails: []string{"soft"}, Mode: decision.ModeWarn, Message: "loses soft"})
		text := d.RelaxDenial("Namespace a", user)
		if !strings.HasPrefix(text, "Namespace a would get fewer or weaker policies, and alice is not permitted to relax "+fmt.Sprint(n)+" Guardrail") ||
			strings.Count(text, "\n- loses ") != min(n, decision.MaxFindings) || strings.Contains(text, "soft") ||
			!strings.Contains(text, "--resource-name=g00") || strings.Contains(text, "--resource-name=g01") {
			t.Errorf("%d:\n%s", n, text)
		}
		if strings.Contains(text, "\n- and ") != (more != "") || !strings.Contains(text, more) {
			t.Errorf("%d lacks %q:\n%s", n, more, text)
		}
	}
	if text := (&decision.Decision{}).RelaxDenial("Namespace a", user); text != "" {
		t.Errorf("nothing is denied, but got %s", text)
	}
	oversized := &decision.Decision{Verdict: decision.VerdictDeny, Findings: []decision.Finding{{Guardrails: []string{"a", "b"}, Mode: decision.ModeEnforce, Message: "too deep"}}}
	if text := oversized.RelaxDenial("Namespace a", user); strings.Contains(text, "kubectl create") {
		t.Errorf("of two Guardrails, none in particular has to be relaxed:\n%s", text)
	}
}
