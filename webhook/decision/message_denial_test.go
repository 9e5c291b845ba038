package decision_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/decision"
)

// The user reads what would be loosened, and an administrator how to permit it. An identity provider may allow
// any characters in a user's name, and the line is pasted into a shell.
func TestWhoeverMayNotLoosenIsToldWhoMay(t *testing.T) {
	for name, c := range map[string]struct {
		user    string
		lacking decision.NotExempting
		want    string
	}{
		"a Guardrail in a namespace": {"alice", decision.NotExempting{Guardrail: "g", Namespace: "shop", Message: "in namespace shop"}, `Exemption e is denied, because alice is not permitted to exempt objects from these policies:
- in namespace shop
    fix:    Narrow the Exemption, or ask someone who has the RBAC verb exempt.
An administrator grants the permission with:
    kubectl create clusterrole exempt-g --verb=exempt --resource=guardrails.taffrail.dev --resource-name=g
    kubectl create rolebinding exempt-g --namespace=shop --clusterrole=exempt-g --user=alice`},
		"every Guardrail": {"oidc:ana o'neil", decision.NotExempting{Namespace: "shop", Message: "m"}, `Exemption e is denied, because oidc:ana o'neil is not permitted to exempt objects from these policies:
- m
    fix:    Narrow the Exemption, or ask someone who has the RBAC verb exempt.
An administrator grants the permission with:
    kubectl create clusterrole exempt-all --verb=exempt --resource=guardrails.taffrail.dev
    kubectl create rolebinding exempt-all --namespace=shop --clusterrole=exempt-all --user='oidc:ana o'\''neil'`},
		"every namespace": {"system:serviceaccount:ci:deployer", decision.NotExempting{Guardrail: "g", Message: "m"}, `Exemption e is denied, because system:serviceaccount:ci:deployer is not permitted to exempt objects from these policies:
- m
    fix:    Narrow the Exemption, or ask someone who has the RBAC verb exempt.
An administrator grants the permission with:
    kubectl create clusterrole exempt-g --verb=exempt --resource=guardrails.taffrail.dev --resource-name=g
    kubectl create clusterrolebinding exempt-g --clusterrole=exempt-g --serviceaccount=ci:deployer`},
		"a user whose name looks like a password before a host": {"oidc:ana@example.com", decision.NotExempting{Guardrail: "g", Message: "m"}, `Exemption e is denied, because oidc:ana@example.com is not permitted to exempt objects from these policies:
- m
    fix:    Narrow the Exemption, or ask someone who has the RBAC verb exempt.
An administrator grants the permission with:
    kubectl create clusterrole exempt-g --verb=exempt --resource=guardrails.taffrail.dev --resource-name=g
    kubectl create clusterrolebinding exempt-g --clusterrole=exempt-g --user=oidc:ana@example.com`},
	} {
		got := decision.ExemptDenial("Exemption e", decision.User{Name: c.user}, []decision.NotExempting{c.lacking})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	for n, more := range map[int]string{
		decision.MaxFindings: "\n    fix", decision.MaxFindings + 1: "\n- and 1 more Guardrail or namespace\n", decision.MaxFindings + 2: "\n- and 2 more Guardrails or namespaces\n",
	} {
		var lacking []decision.NotExempting
		for i := range n {
			lacking = append(lacking, decision.NotExempting{Guardrail: fmt.Sprint("g", i), Message: fmt.Sprint("m", i)})
		}
		got := decision.ExemptDenial("Exemption e", decision.User{Name: "alice"}, lacking)
		if strings.Count(got, "\n- m") != decision.MaxFindings || !strings.Contains(got, more) || strings.Contains(got, "\n- and") != (n > decision.MaxFindings) {
			t.Errorf("%d: got %s", n, got)
		}
	}
}

func TestRelaxDenialSaysWhatToWrite(t *testing.T) {
	d := &decision.Decision{Findings: []decision.Finding{
		{Mode: decision.ModeWarn, Guardrails: []string{"soft"}, Message: "warned"},
		{Mode: decision.ModeEnforce, Guardrails: []string{"g"}, Path: "metadata.labels[team]", Message: "loses probes", Remediation: "Leave the label."},
	}}
	want := `Namespace a would get fewer or weaker policies, and oidc:ana@example.com is not permitted to relax 1 Guardrail:
- loses probes
    field:  metadata.labels[team]
    fix:    Leave the label.
An administrator grants the permission with:
    kubectl create clusterrole relax-g --verb=relax --resource=guardrails.taffrail.dev --resource-name=g
    kubectl create clusterrolebinding relax-g --clusterrole=relax-g --user=oidc:ana@example.com`
	if diff := cmp.Diff(want, d.RelaxDenial("Namespace a", decision.User{Name: "oidc:ana@example.com"})); diff != "" {
		t.Error(diff)
	}
}

func TestRefusalNamesEachFault(t *testing.T) {
	faults := func(n int) (all []decision.Fault) {
		for i := range n {
			all = append(all, decision.Fault{Field: fmt.Sprintf("spec[%d]", i), Reason: "is wrong"})
		}
		return all
	}
	one := decision.Checked{Faults: []decision.Fault{{Reason: "is no map"}, {Field: "spec", Reason: "has " + strings.Repeat("x", 500)}}}
	want := "Guardrail g is invalid:\n- is no map\n- spec: has " + strings.Repeat("x", 389) + "…"
	if got := one.Refusal("Guardrail g"); got != want {
		t.Errorf("got %s", got)
	}
	shown := one.Shown()
	if len(shown) != 2 || shown[0] != one.Faults[0] || shown[1].Field != "spec" || shown[1].Reason != "has "+strings.Repeat("x", 395)+"…" {
		t.Errorf("got %+v", shown)
	}
	for n, more := range map[int]string{decision.MaxFindings: "", decision.MaxFindings + 1: "\n- and 1 more error", decision.MaxFindings + 3: "\n- and 3 more errors"} {
		checked := decision.Checked{Faults: faults(n)}
		got := checked.Refusal("Guardrail g")
		if !strings.HasSuffix(got, fmt.Sprintf("\n- spec[%d]: is wrong%s", decision.MaxFindings-1, more)) || len(checked.Shown()) != decision.MaxFindings {
			t.Errorf("%d: got %s", n, got)
		}
	}
}

// The message of a finding has everything that is known about it, and nothing else.
func TestAFindingIsSpelledOut(t *testing.T) {
	for name, c := range map[string]struct {
		finding decision.Finding
		want    string
		outcome string
		by      string
	}{
		"bare": {decision.Finding{Policy: "p", Message: "m"}, "p: m", "recorded", ""},
		"whole": {
			decision.Finding{Policy: "p", Container: "c", Message: "m", Path: "spec.x", Remediation: "Do it.", Guardrails: []string{"g"}, Mode: decision.ModeEnforce},
			"p, container \"c\": m\n    field:  spec.x\n    fix:    Do it.\n    required by Guardrail g", "denied", "",
		},
		"exempted": {
			decision.Finding{Policy: "p", Message: "m", Guardrails: []string{"g", "h"}, Mode: decision.ModeEnforce, Exemptions: []string{"e"}, Tolerated: "t", Unknown: "u"},
			"p: m\n    required by Guardrails g, h\n    exempted by Exemption e", "exempted", "Exemption e",
		},
		"exempted twice": {decision.Finding{Policy: "p", Message: "m", Exemptions: []string{"e", "f"}}, "p: m\n    exempted by Exemptions e, f", "exempted", "Exemptions e, f"},
		"unknown":        {decision.Finding{Policy: "p", Message: "m", Mode: decision.ModeEnforce, Unknown: "u", Tolerated: "t"}, "p: m", "unknown", ""},
		"tolerated":      {decision.Finding{Policy: "p", Message: "m", Mode: decision.ModeEnforce, Tolerated: "t"}, "p: m", "tolerated", ""},
		"warned":         {decision.Finding{Policy: "p", Message: "m", Mode: decision.ModeWarn}, "p: m", "warned", ""},
		"recorded":       {decision.Finding{Policy: "p", Message: "m", Mode: decision.ModeAudit}, "p: m", "recorded", ""},
	} {
		if got := c.finding.Text(); got != c.want {
			t.Errorf("%s: got %q", name, got)
		}
		if got := c.finding.Outcome(); got != c.outcome {
			t.Errorf("%s: got %s", name, got)
		}
		if got := c.finding.ExemptedBy(); got != c.by {
			t.Errorf("%s: exempted by %q", name, got)
		}
		if got := c.finding.Warns(); got != (c.outcome == "warned" || c.outcome == "tolerated" || c.outcome == "unknown") {
			t.Errorf("%s: warns %v", name, got)
		}
	}
}

// The audit annotations distinguish a fill that was skipped from one that was made, and name the Guardrails
// that required it.
func TestAnnotationsTellWhatBecameOfFills(t *testing.T) {
	fill := func(policy string, mode decision.Mode, left string, guardrails ...string) decision.Fill {
		return decision.Fill{Policy: policy, Mode: mode, Field: "resources.requests.cpu", Value: "1", SkipReason: left, Guardrails: guardrails}
	}
	d := &decision.Decision{Fills: []decision.Fill{
		fill("made", decision.ModeEnforce, "", "b", "a"), fill("made", decision.ModeEnforce, "", "a"), fill("left", decision.ModeAudit, "it is older", "g"),
		fill("warned", decision.ModeWarn, ""), fill("recorded", decision.ModeAudit, ""),
	}}
	want := map[string]string{
		"made":     "enforce, required by Guardrails a, b: sets requests.cpu=1, requests.cpu=1",
		"left":     "enforce, left as it is (it is older), required by Guardrail g: would set requests.cpu=1",
		"warned":   "warn: would set requests.cpu=1",
		"recorded": "audit: would set requests.cpu=1",
	}
	if diff := cmp.Diff(want, d.Annotations()); diff != "" {
		t.Error(diff)
	}
}

func TestALineIsOne(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", " a \n b\t": "a b", "a\x1b[31mb": "a[31mb", "\u202ea": "a", "1234567890": "1234567890", "12345678901": "123456789…", "12345678 01": "12345678…",
		"éééééééééé": "éééééééééé", "ééééééééééé": "ééééééééé…", "a\u200b b": "a b", "a \u200b b": "a b",
	} {
		if got := decision.Line(text, 10); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// As many warnings are sent as the API server accepts, and the others are counted.
func TestHowManyWarningsAreGiven(t *testing.T) {
	for n, last := range map[int]string{0: "", 1: "p: m1", 20: "p: m20", 21: "and 1 more warning", 22: "and 2 more warnings"} {
		d, fills, checked := &decision.Decision{}, &decision.Decision{}, &decision.Checked{}
		for i := range n {
			message := fmt.Sprint("m", i+1)
			d.Findings = append(d.Findings, decision.Finding{Policy: "p", Mode: decision.ModeWarn, Message: message})
			fills.Fills = append(fills.Fills, decision.Fill{Policy: "p", Container: message, Mode: decision.ModeWarn, Field: "resources.x", Value: "1"})
			checked.Warnings = append(checked.Warnings, "p: "+message)
		}
		for what, got := range map[string][]string{"findings": d.Warnings(), "fills": fills.FillWarnings(), "faults": checked.LimitedWarnings()} {
			want := last
			if what == "fills" && n > 0 && n <= 20 {
				want = fmt.Sprintf(`p, container "m%d": would set x=1`, n)
			}
			if len(got) != min(n, 21) || n > 0 && got[len(got)-1] != want {
				t.Errorf("%d %s: got %q", n, what, got)
			}
		}
	}
}
