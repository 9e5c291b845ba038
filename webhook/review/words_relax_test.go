package review_test

import (
	"fmt"
	"strings"
	"testing"

	"taffrail.dev/webhook/review"
)

// As many Guardrails are spelled out as findings are, and the others are counted. Whoever can
// give the right is told how, for the first.
func TestRelaxDenialIsBounded(t *testing.T) {
	user := review.User{Name: "alice"}
	for n, more := range map[int]string{
		1: "", review.MaxFindings: "", review.MaxFindings + 1: "\n- and 1 more Guardrail\n", review.MaxFindings + 2: "\n- and 2 more Guardrails\n",
	} {
		d := &review.Decision{Verdict: review.VerdictDeny}
		for i := range n {
			name := fmt.Sprintf("g%02d", i)
			d.Findings = append(d.Findings, review.Finding{
				Policy: review.RelaxVerb, Guardrails: []string{name}, Mode: review.ModeEnforce, Path: "metadata.labels", Message: "loses " + name, Remediation: "Leave " + name + ".",
			})
		}
		d.Findings = append(d.Findings, review.Finding{Guardrails: []string{"soft"}, Mode: review.ModeWarn, Message: "loses soft"})
		text := d.RelaxDenial("Namespace a", user)
		if !strings.HasPrefix(text, "Namespace a would be held to less, and alice may not relax "+fmt.Sprint(n)+" Guardrail") ||
			strings.Count(text, "\n- loses ") != min(n, review.MaxFindings) || strings.Contains(text, "soft") ||
			!strings.Contains(text, "--resource-name=g00") || strings.Contains(text, "--resource-name=g01") {
			t.Errorf("%d:\n%s", n, text)
		}
		if strings.Contains(text, "\n- and ") != (more != "") || !strings.Contains(text, more) {
			t.Errorf("%d lacks %q:\n%s", n, more, text)
		}
	}
	if text := (&review.Decision{}).RelaxDenial("Namespace a", user); text != "" {
		t.Errorf("nothing is denied, but got %s", text)
	}
	unseen := &review.Decision{Verdict: review.VerdictDeny, Findings: []review.Finding{{Guardrails: []string{"a", "b"}, Mode: review.ModeEnforce, Message: "too deep"}}}
	if text := unseen.RelaxDenial("Namespace a", user); strings.Contains(text, "kubectl create") {
		t.Errorf("of two Guardrails, none in particular has to be relaxed:\n%s", text)
	}
}
