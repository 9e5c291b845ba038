package report

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

func junit(t *testing.T, r *Report, failOn decision.Verdict) string {
	t.Helper()
	var b strings.Builder
	if err := whole(NewJUnit(&b, failOn, nil), r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The outcome of each object depends on --fail-on.
func TestJUnitOutcomes(t *testing.T) {
	tests := map[decision.Verdict]struct{ counts, outcomes string }{
		decision.VerdictDeny:    {`tests="5" failures="1" errors="0" skipped="1"`, "denied: failure, out\nwarned: out\nunknown: skipped\nrecorded:\nclean:\n"},
		decision.VerdictUnknown: {`tests="5" failures="1" errors="1" skipped="0"`, "denied: failure, out\nwarned: out\nunknown: error\nrecorded:\nclean:\n"},
		decision.VerdictWarn:    {`tests="5" failures="2" errors="1" skipped="0"`, "denied: failure\nwarned: failure\nunknown: error\nrecorded:\nclean:\n"},
	}
	for failOn, want := range tests {
		t.Run(failOn.String(), func(t *testing.T) {
			text := junit(t, report(), failOn)
			if strings.Count(text, want.counts) != 2 {
				t.Errorf("the counts are not %s, of the report and its only suite:\n%s", want.counts, text)
			}
			var read struct {
				Cases []struct {
					Name    string    `xml:"name,attr"`
					Failure *struct{} `xml:"failure"`
					Error   *struct{} `xml:"error"`
					Skipped *struct{} `xml:"skipped"`
					Out     *struct{} `xml:"system-out"`
				} `xml:"testsuite>testcase"`
			}
			if err := xml.Unmarshal([]byte(text), &read); err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, c := range read.Cases {
				var parts []string
				for _, part := range []struct {
					name string
					at   *struct{}
				}{{"failure", c.Failure}, {"error", c.Error}, {"skipped", c.Skipped}, {"out", c.Out}} {
					if part.at != nil {
						parts = append(parts, part.name)
					}
				}
				got += strings.TrimSpace(c.Name+": "+strings.Join(parts, ", ")) + "\n"
			}
			if diff := cmp.Diff(want.outcomes, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// XML 1.0 cannot represent most control characters, not even escaped.
func TestJUnitIsXML(t *testing.T) {
	evil := "a]]>\x00\x1b[2J\ufffe<b>&\"\n\xff"
	r := &Report{
		Objects: []Object{{
			Source:  manifest.Source{File: evil, Line: 1},
			Request: &decision.Request{Name: evil, Namespace: decision.Namespace{Name: evil}},
			Decision: &decision.Decision{Verdict: decision.VerdictDeny, Findings: []decision.Finding{
				{Policy: "p", Mode: decision.ModeEnforce, Message: evil, Path: evil, Container: evil, Guardrails: []string{evil}},
				{Policy: "q", Mode: decision.ModeWarn, Message: evil, Tolerated: evil},
				{Policy: "r", Mode: decision.ModeWarn, Message: evil, Unknown: evil},
			}},
		}},
		Errors: []Problem{{Source: manifest.Source{File: evil}, Message: evil}},
	}
	text := junit(t, r, decision.VerdictDeny)
	if err := xml.Unmarshal([]byte(text), new(struct{})); err != nil {
		t.Errorf("%v:\n%s", err, text)
	}
	for _, forbidden := range []string{"\x00", "\x1b", "\ufffe", "\xff"} {
		if strings.Contains(text, forbidden) {
			t.Errorf("%q is in it", forbidden)
		}
	}
}
