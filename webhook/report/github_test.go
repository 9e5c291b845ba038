package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

func github(t *testing.T, r *Report, o GitHubOptions) string {
	t.Helper()
	var b strings.Builder
	if err := whole(NewGitHub(&b, o), r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGitHub(t *testing.T) {
	const (
		denied   = "::error file=f.yaml,line=3,title=a-policy::Pod denied: it is wrong%0A    required by Guardrail g\n"
		also     = "file=f.yaml,line=3,title=a-policy::Pod denied: it is wrong%0A    required by Guardrail g\n"
		unknown  = "file=f.yaml,line=3,title=a-policy::Pod unknown: it is wrong (not decided: nobody knows)%0A    required by Guardrail g\n"
		warned   = "file=f.yaml,line=3,title=a-policy::Pod warned: it is wrong%0A    required by Guardrail g\n"
		recorded = "::notice file=f.yaml,line=3,title=a-policy::Pod recorded: it is wrong%0A    required by Guardrail g\n"
		summary  = "5 objects: 1 denied, 1 not decided in full, 1 with warnings, 2 clean\n"
	)
	tests := []struct {
		name    string
		options GitHubOptions
		want    string
	}{
		{"deny", GitHubOptions{FailOn: decision.VerdictDeny}, denied + "::warning " + unknown + "::warning " + also + "::warning " + warned + summary},
		{"unknown", GitHubOptions{FailOn: decision.VerdictUnknown}, denied + "::error " + unknown + "::warning " + also + "::warning " + warned + summary},
		{"warn", GitHubOptions{FailOn: decision.VerdictWarn}, denied + "::error " + unknown + "::error " + also + "::error " + warned + summary},
		{"verbose", GitHubOptions{FailOn: decision.VerdictDeny, Verbose: true}, denied + "::warning " + unknown + "::warning " + also + "::warning " + warned +
			"::notice " + warned + recorded + summary},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, github(t, report(), test.options)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Of commands with the same level, the most severe comes first, because GitHub shows only 10 of each level.
func TestGitHubOrder(t *testing.T) {
	r := &Report{Errors: []Problem{{Source: manifest.Source{File: "e.yaml"}, Message: "broken"}}}
	for _, severity := range []decision.Severity{"", decision.SeverityLow, decision.SeverityCritical, decision.SeverityMedium, decision.SeverityHigh} {
		for _, mode := range []decision.Mode{decision.ModeWarn, decision.ModeEnforce} {
			r.Objects = append(r.Objects, Object{Request: &decision.Request{}, Decision: &decision.Decision{
				Findings: []decision.Finding{{Policy: mode.String() + string(severity), Mode: mode, Severity: severity}},
			}})
		}
	}
	var got []string
	for line := range strings.Lines(github(t, r, GitHubOptions{FailOn: decision.VerdictDeny})) {
		if _, rest, found := strings.Cut(line, "title="); found {
			title, _, _ := strings.Cut(rest, "::")
			got = append(got, title)
		}
	}
	want := []string{"cannot be decided", "enforcecritical", "enforcehigh", "enforcemedium", "enforcelow", "enforce",
		"warncritical", "warnhigh", "warnmedium", "warnlow", "warn"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// Text from a manifest must not become a command of its own.
func TestGitHubEscapes(t *testing.T) {
	r := &Report{Objects: []Object{{
		Source:  manifest.Source{File: "a:b,c%0A\n::error::.yaml", Line: 1},
		Request: &decision.Request{Name: "n\n::error::x"},
		Decision: &decision.Decision{Findings: []decision.Finding{{
			Policy: "p", Mode: decision.ModeEnforce, Message: "100%0A of it\r\n::stop-commands::x", Path: "a\n::error::y", Remediation: "50%\n::error::z",
		}}},
	}}}
	got := github(t, r, GitHubOptions{FailOn: decision.VerdictDeny})
	want := "::error file=a%3Ab%2Cc%250A %3A%3Aerror%3A%3A.yaml,line=1,title=p::n ::error::x: 100%250A of it ::stop-commands::x" +
		"%0A    field:  a ::error::y%0A    fix:    50%25 ::error::z\n1 object\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, want := escapeMessage("%\r\n:,"), "%25%0D%0A:,"; got != want {
		t.Errorf("message: %q", got)
	}
	if got, want := escapeProperty("%\r\n:,"), "%25%0D%0A%3A%2C"; got != want {
		t.Errorf("property: %q", got)
	}
}
