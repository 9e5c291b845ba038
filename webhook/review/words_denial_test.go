package review_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/review"
)

// Whoever may not loosen reads what, and whoever can give the right how: a user's name is
// whatever an identity provider makes of it, and a shell takes it as it is.
func TestWhoeverMayNotLoosenIsToldWhoMay(t *testing.T) {
	for name, c := range map[string]struct {
		user    string
		lacking review.NotExempting
		want    string
	}{
		"a Guardrail in a namespace": {"alice", review.NotExempting{Guardrail: "g", Namespace: "shop", Message: "in namespace shop"}, `Exemption e would loosen what alice has no right to loosen:
- in namespace shop
    write:  Narrow the Exemption, or ask somebody who has the verb exempt.
An administrator gives the right with:
    kubectl create clusterrole exempt-g --verb=exempt --resource=guardrails.taffrail.dev --resource-name=g
    kubectl create rolebinding exempt-g --namespace=shop --clusterrole=exempt-g --user=alice`},
		"every Guardrail": {"oidc:ana o'neil", review.NotExempting{Namespace: "shop", Message: "m"}, `Exemption e would loosen what oidc:ana o'neil has no right to loosen:
- m
    write:  Narrow the Exemption, or ask somebody who has the verb exempt.
An administrator gives the right with:
    kubectl create clusterrole exempt-all --verb=exempt --resource=guardrails.taffrail.dev
    kubectl create rolebinding exempt-all --namespace=shop --clusterrole=exempt-all --user='oidc:ana o'\''neil'`},
		"every namespace": {"system:serviceaccount:ci:deployer", review.NotExempting{Guardrail: "g", Message: "m"}, `Exemption e would loosen what system:serviceaccount:ci:deployer has no right to loosen:
- m
    write:  Narrow the Exemption, or ask somebody who has the verb exempt.
An administrator gives the right with:
    kubectl create clusterrole exempt-g --verb=exempt --resource=guardrails.taffrail.dev --resource-name=g
    kubectl create clusterrolebinding exempt-g --clusterrole=exempt-g --serviceaccount=ci:deployer`},
	} {
		got := review.ExemptDenial("Exemption e", review.User{Name: c.user}, []review.NotExempting{c.lacking})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	for n, more := range map[int]string{
		review.MaxFindings: "\n    write", review.MaxFindings + 1: "\n- and 1 more Guardrail or namespace\n", review.MaxFindings + 2: "\n- and 2 more Guardrails or namespaces\n",
	} {
		var lacking []review.NotExempting
		for i := range n {
			lacking = append(lacking, review.NotExempting{Guardrail: fmt.Sprint("g", i), Message: fmt.Sprint("m", i)})
		}
		got := review.ExemptDenial("Exemption e", review.User{Name: "alice"}, lacking)
		if strings.Count(got, "\n- m") != review.MaxFindings || !strings.Contains(got, more) || strings.Contains(got, "\n- and") != (n > review.MaxFindings) {
			t.Errorf("%d: got %s", n, got)
		}
	}
}

func TestRelaxDenialSaysWhatToWrite(t *testing.T) {
	d := &review.Decision{Findings: []review.Finding{
		{Mode: review.ModeWarn, Guardrails: []string{"soft"}, Message: "warned"},
		{Mode: review.ModeEnforce, Guardrails: []string{"g"}, Path: "metadata.labels[team]", Message: "loses probes", Remediation: "Leave the label."},
	}}
	want := `Namespace a would be held to less, and oidc:ana@example.com may not relax 1 Guardrail:
- loses probes
    field:  metadata.labels[team]
    write:  Leave the label.
An administrator gives the right with:
    kubectl create clusterrole relax-g --verb=relax --resource=guardrails.taffrail.dev --resource-name=g
    kubectl create clusterrolebinding relax-g --clusterrole=relax-g --user=oidc:ana@example.com`
	if diff := cmp.Diff(want, d.RelaxDenial("Namespace a", review.User{Name: "oidc:ana@example.com"})); diff != "" {
		t.Error(diff)
	}
}

func TestRefusalNamesEachFault(t *testing.T) {
	faults := func(n int) (all []review.Fault) {
		for i := range n {
			all = append(all, review.Fault{Field: fmt.Sprintf("spec[%d]", i), Reason: "is wrong"})
		}
		return all
	}
	one := review.Checked{Faults: []review.Fault{{Reason: "is no map"}, {Field: "spec", Reason: "has " + strings.Repeat("x", 500)}}}
	want := "Guardrail g would not work:\n- is no map\n- spec: has " + strings.Repeat("x", 389) + "…"
	if got := one.Refusal("Guardrail g"); got != want {
		t.Errorf("got %s", got)
	}
	shown := one.Shown()
	if len(shown) != 2 || shown[0] != one.Faults[0] || shown[1].Field != "spec" || shown[1].Reason != "has "+strings.Repeat("x", 395)+"…" {
		t.Errorf("got %+v", shown)
	}
	for n, more := range map[int]string{review.MaxFindings: "", review.MaxFindings + 1: "\n- and 1 more fault", review.MaxFindings + 3: "\n- and 3 more faults"} {
		checked := review.Checked{Faults: faults(n)}
		got := checked.Refusal("Guardrail g")
		if !strings.HasSuffix(got, fmt.Sprintf("\n- spec[%d]: is wrong%s", review.MaxFindings-1, more)) || len(checked.Shown()) != review.MaxFindings {
			t.Errorf("%d: got %s", n, got)
		}
	}
}

// A finding is spelled out with everything there is to say about it, and nothing else.
func TestAFindingIsSpelledOut(t *testing.T) {
	for name, c := range map[string]struct {
		finding review.Finding
		want    string
		outcome string
		by      string
	}{
		"bare": {review.Finding{Policy: "p", Message: "m"}, "p: m", "recorded", ""},
		"whole": {
			review.Finding{Policy: "p", Container: "c", Message: "m", Path: "spec.x", Remediation: "Do it.", Guardrails: []string{"g"}, Mode: review.ModeEnforce},
			"p, container \"c\": m\n    field:  spec.x\n    write:  Do it.\n    asked by Guardrail g", "denied", "",
		},
		"exempted": {
			review.Finding{Policy: "p", Message: "m", Guardrails: []string{"g", "h"}, Mode: review.ModeEnforce, Exemptions: []string{"e"}, Tolerated: "t", Unknown: "u"},
			"p: m\n    asked by Guardrails g, h\n    excused by Exemption e", "exempted", "Exemption e",
		},
		"exempted twice": {review.Finding{Policy: "p", Message: "m", Exemptions: []string{"e", "f"}}, "p: m\n    excused by Exemptions e, f", "exempted", "Exemptions e, f"},
		"unknown":        {review.Finding{Policy: "p", Message: "m", Mode: review.ModeEnforce, Unknown: "u", Tolerated: "t"}, "p: m", "unknown", ""},
		"tolerated":      {review.Finding{Policy: "p", Message: "m", Mode: review.ModeEnforce, Tolerated: "t"}, "p: m", "tolerated", ""},
		"warned":         {review.Finding{Policy: "p", Message: "m", Mode: review.ModeWarn}, "p: m", "warned", ""},
		"recorded":       {review.Finding{Policy: "p", Message: "m", Mode: review.ModeAudit}, "p: m", "recorded", ""},
	} {
		if got := c.finding.Words(); got != c.want {
			t.Errorf("%s: got %q", name, got)
		}
		if got := c.finding.Outcome(); got != c.outcome {
			t.Errorf("%s: got %s", name, got)
		}
		if got := c.finding.ExemptedBy(); got != c.by {
			t.Errorf("%s: excused by %q", name, got)
		}
		if got := c.finding.Warns(); got != (c.outcome == "warned" || c.outcome == "tolerated" || c.outcome == "unknown") {
			t.Errorf("%s: warns %v", name, got)
		}
	}
}

// The audit log tells a fill that was left from one that was made, and who asked.
func TestAnnotationsTellWhatBecameOfFills(t *testing.T) {
	fill := func(policy string, mode review.Mode, left string, guardrails ...string) review.Fill {
		return review.Fill{Policy: policy, Mode: mode, Field: "resources.requests.cpu", Value: "1", Left: left, Guardrails: guardrails}
	}
	d := &review.Decision{Fills: []review.Fill{
		fill("made", review.ModeEnforce, "", "b", "a"), fill("made", review.ModeEnforce, "", "a"), fill("left", review.ModeAudit, "it is older", "g"),
		fill("warned", review.ModeWarn, ""), fill("recorded", review.ModeAudit, ""),
	}}
	want := map[string]string{
		"made":     "enforce, asked by Guardrails a, b: sets requests.cpu=1, requests.cpu=1",
		"left":     "enforce, left as it is (it is older), asked by Guardrail g: would set requests.cpu=1",
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
		if got := review.Line(text, 10); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// As many warnings are given as the API server has room for, and the others are counted.
func TestHowManyWarningsAreGiven(t *testing.T) {
	for n, last := range map[int]string{0: "", 1: "p: m1", 20: "p: m20", 21: "and 1 more warning", 22: "and 2 more warnings"} {
		d, fills, checked := &review.Decision{}, &review.Decision{}, &review.Checked{}
		for i := range n {
			message := fmt.Sprint("m", i+1)
			d.Findings = append(d.Findings, review.Finding{Policy: "p", Mode: review.ModeWarn, Message: message})
			fills.Fills = append(fills.Fills, review.Fill{Policy: "p", Container: message, Mode: review.ModeWarn, Field: "resources.x", Value: "1"})
			checked.Warnings = append(checked.Warnings, "p: "+message)
		}
		for what, got := range map[string][]string{"findings": d.Warnings(), "fills": fills.FillWarnings(), "faults": checked.Notes()} {
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
