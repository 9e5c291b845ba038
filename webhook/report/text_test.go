package report

import (
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

func report() *Report {
	finding := func(mode decision.Mode, unknown string) decision.Finding {
		return decision.Finding{Policy: "a-policy", Mode: mode, Message: "it is wrong", Unknown: unknown, Guardrails: []string{"g"}}
	}
	object := func(name string, verdict decision.Verdict, findings ...decision.Finding) Object {
		return Object{
			Source:   manifest.Source{File: "f.yaml", Line: 3},
			Request:  &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Name: name},
			Decision: &decision.Decision{Verdict: verdict, Findings: findings},
		}
	}
	return &Report{Objects: []Object{
		object("denied", decision.VerdictDeny, finding(decision.ModeEnforce, ""), finding(decision.ModeWarn, "")),
		object("warned", decision.VerdictWarn, finding(decision.ModeWarn, ""), finding(decision.ModeAudit, "")),
		object("unknown", decision.VerdictUnknown, finding(decision.ModeEnforce, "nobody knows")),
		object("recorded", decision.VerdictAllow, finding(decision.ModeAudit, "")),
		object("clean", decision.VerdictAllow),
	}}
}

func text(t *testing.T, o TextOptions) string {
	t.Helper()
	var b strings.Builder
	if err := Text(&b, report(), o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	const want = `f.yaml:3: Pod denied is denied by 1 policy:
- a-policy: it is wrong
    required by Guardrail g
Warning: a-policy: it is wrong

f.yaml:3: Pod warned is admitted with a warning:
Warning: a-policy: it is wrong

f.yaml:3: Pod unknown cannot be decided in full:
- a-policy: it is wrong
    required by Guardrail g
    unknown, because nobody knows

5 objects: 1 denied, 1 not decided in full, 1 with warnings, 2 clean
`
	if got := text(t, TextOptions{}); got != want {
		t.Errorf("got:\n%s", got)
	}
}

func TestColorChangesNoWord(t *testing.T) {
	for _, verbose := range []bool{false, true} {
		plain, painted := text(t, TextOptions{Verbose: verbose}), text(t, TextOptions{Verbose: verbose, Color: true})
		if plain == painted {
			t.Error("no color")
		}
		if stripped := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(painted, ""); stripped != plain {
			t.Errorf("got:\n%s", stripped)
		}
	}
}

func TestErrorText(t *testing.T) {
	var b strings.Builder
	var totals Totals
	totals.Add(&Report{Errors: []Problem{{Source: manifest.Source{File: "a\x1b[2J"}, Message: "b\n::error::c"}}})
	if err := ErrorText(&b, &totals); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "error: a\ufffd[2J: b ::error::c\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
