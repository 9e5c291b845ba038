package report

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// sarifRead is the part of a report that the tests read, under SARIF's names.
type sarifRead struct {
	Runs []struct {
		Tool struct {
			Driver struct {
				Version, SemanticVersion string
				Rules                    []struct {
					ID         string
					Name       string
					Help       struct{ Text, Markdown string }
					Properties map[string]any
				}
			}
		}
		Results []struct {
			RuleID, Kind, Level string
			Message             struct{ Text string }
			PartialFingerprints map[string]string
			Suppressions        []struct{ Kind, Status, Justification string }
		}
	}
}

func readSARIF(t *testing.T, r *Report, o SARIFOptions) sarifRead {
	t.Helper()
	var b strings.Builder
	if err := whole(NewSARIF(&b, o), r); err != nil {
		t.Fatal(err)
	}
	var read sarifRead
	if err := json.Unmarshal([]byte(b.String()), &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func oneFinding(f decision.Finding) *Report {
	return &Report{Objects: []Object{{
		Request:  &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Name: "s"},
		Decision: &decision.Decision{Findings: []decision.Finding{f}},
	}}}
}

func TestSARIFLevels(t *testing.T) {
	tests := []struct {
		name        string
		finding     decision.Finding
		kind, level string
		text        string
	}{
		{"denied", decision.Finding{Mode: decision.ModeEnforce}, "", "error", "wrong"},
		{"warned", decision.Finding{Mode: decision.ModeWarn}, "", "warning", "wrong"},
		{"recorded", decision.Finding{Mode: decision.ModeAudit}, "", "note", "wrong"},
		{"tolerated", decision.Finding{Mode: decision.ModeEnforce, Tolerated: "it was so before"}, "", "warning", "wrong (tolerated: it was so before)"},
		{"exempted", decision.Finding{Mode: decision.ModeEnforce, Exemptions: []string{"legacy"}}, "", "note", "wrong (exempted by Exemption legacy)"},
		{"unknown", decision.Finding{Mode: decision.ModeEnforce, Unknown: "nobody knows"}, "open", "none", "wrong (not decided: nobody knows)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.finding.Message = "wrong"
			got := readSARIF(t, oneFinding(test.finding), SARIFOptions{}).Runs[0].Results[0]
			if got.Kind != test.kind || got.Level != test.level || got.Message.Text != "Secret s: "+test.text {
				t.Errorf("got %q, %q, %q", got.Kind, got.Level, got.Message.Text)
			}
			if (len(got.Suppressions) > 0) != test.finding.Exempted() {
				t.Errorf("suppressions %v", got.Suppressions)
			}
			for _, s := range got.Suppressions {
				if s.Kind != "external" || s.Status != "accepted" || s.Justification != "exempted by Exemption legacy" {
					t.Errorf("suppression %v", s)
				}
			}
		})
	}
}

// The message of an evaluation error may quote a value.
func TestSARIFQuotesNoEvaluationError(t *testing.T) {
	r := oneFinding(decision.Finding{Policy: "p", Mode: decision.ModeEnforce, Message: "the policy could not be evaluated", Unknown: "hunter2"})
	r.Objects[0].Decision.Errors = map[string]error{"p": errors.New("hunter2")}
	got := readSARIF(t, r, SARIFOptions{}).Runs[0].Results[0].Message.Text
	if want := "Secret s: the policy could not be evaluated"; got != want {
		t.Errorf("got %q", got)
	}
}

// A finding keeps its fingerprint when its file is edited, and changes it with its key.
func TestSARIFFingerprint(t *testing.T) {
	of := func(change func(o *Object, f *decision.Finding)) string {
		r := oneFinding(decision.Finding{Policy: "p", Container: "c", Key: "k", Path: "a[0]", Message: "m"})
		change(&r.Objects[0], &r.Objects[0].Decision.Findings[0])
		prints := readSARIF(t, r, SARIFOptions{}).Runs[0].Results[0].PartialFingerprints
		if len(prints) != 1 || len(prints[fingerprint]) != 64 {
			t.Fatalf("got %v", prints)
		}
		return prints[fingerprint]
	}
	first := of(func(*Object, *decision.Finding) {})
	for name, change := range map[string]func(*Object, *decision.Finding){
		"path":    func(_ *Object, f *decision.Finding) { f.Path = "a[1]" },
		"message": func(_ *Object, f *decision.Finding) { f.Message = "n" },
		"mode":    func(_ *Object, f *decision.Finding) { f.Mode = decision.ModeWarn },
		"source":  func(o *Object, _ *decision.Finding) { o.Source.File, o.Source.Line = "other.yaml", 9 },
		"version": func(o *Object, _ *decision.Finding) { o.Request.Kind.Version = "v2" },
	} {
		if of(change) != first {
			t.Errorf("another %s makes another finding", name)
		}
	}
	for name, change := range map[string]func(*Object, *decision.Finding){
		"policy":    func(_ *Object, f *decision.Finding) { f.Policy = "q" },
		"container": func(_ *Object, f *decision.Finding) { f.Container = "d" },
		"key":       func(_ *Object, f *decision.Finding) { f.Key = "l" },
		"group":     func(o *Object, _ *decision.Finding) { o.Request.Kind.Group = "g" },
		"kind":      func(o *Object, _ *decision.Finding) { o.Request.Kind.Kind = "K" },
		"namespace": func(o *Object, _ *decision.Finding) { o.Request.Namespace.Name = "n" },
		"name":      func(o *Object, _ *decision.Finding) { o.Request.Name = "t" },
	} {
		if of(change) == first {
			t.Errorf("another %s makes no other finding", name)
		}
	}
}

func TestSARIFRules(t *testing.T) {
	r := oneFinding(decision.Finding{Policy: "plaintext-secret", Mode: decision.ModeEnforce})
	findings := &r.Objects[0].Decision.Findings
	*findings = append(*findings, decision.Finding{Policy: "my-own", Mode: decision.ModeWarn}, decision.Finding{Policy: "image-tag"}, decision.Finding{Policy: "my-own"})
	driver := readSARIF(t, r, SARIFOptions{Version: "v1.2.3", Policies: []*rego.Policy{
		{ID: "unused", Package: "taffrail.images.unused"},
		{ID: "image-tag", Package: "taffrail.images.image_tag", Severity: decision.SeverityHigh, Section: "3.2.2", DefaultMode: decision.ModeEnforce},
		{
			ID: "plaintext-secret", Package: "taffrail.secrets.plaintext_secret", Severity: decision.SeverityCritical,
			Section: "3.4.2, 3.4.3", DefaultMode: decision.ModeEnforce, Remediation: "Use <name>, not *.",
		},
	}}).Runs[0].Tool.Driver
	if driver.Version != "v1.2.3" || driver.SemanticVersion != "1.2.3" {
		t.Errorf("version %s, %s", driver.Version, driver.SemanticVersion)
	}
	var ids []string
	for _, rule := range driver.Rules {
		ids = append(ids, rule.ID+" "+rule.Name)
	}
	if diff := cmp.Diff([]string{"plaintext-secret PlaintextSecret", "my-own ", "image-tag ImageTag"}, ids); diff != "" {
		t.Fatal(diff)
	}
	secret := driver.Rules[0]
	want := map[string]any{
		"severity": "critical", "security-severity": "9.5",
		"tags": []any{"secrets", "section 3.4.2", "section 3.4.3", "security"},
	}
	if diff := cmp.Diff(want, secret.Properties); diff != "" {
		t.Error(diff)
	}
	if secret.Help.Text != "Use <name>, not *." || !strings.HasPrefix(secret.Help.Markdown, `Use \<name\>, not \*.`) {
		t.Errorf("help %q, %q", secret.Help.Text, secret.Help.Markdown)
	}
	if image := driver.Rules[2].Properties; image["security-severity"] != nil {
		t.Errorf("image-tag is filed under security: %v", image)
	}
}
