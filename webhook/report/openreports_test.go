package report_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/report"
)

var podKind = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}

func audited(n int, findings ...decision.Finding) report.AuditedObject {
	object := report.AuditedObject{Kind: podKind, Namespace: "shop", Name: fmt.Sprintf("pod-%05d", n), UID: fmt.Sprintf("uid-%d", n)}
	for _, f := range findings {
		object.Findings = append(object.Findings, report.AuditedFinding{Finding: f, FirstSeen: time.Unix(1800000000, 0)})
	}
	return object
}

func finding(policy string) decision.Finding {
	return decision.Finding{
		Policy: policy, Guardrails: []string{"a", "b"}, Mode: decision.ModeAudit, Severity: decision.SeverityHigh, Container: "main", Path: "spec.containers[0].image",
		Key: "image", Message: "the image has no tag", Remediation: "Write a tag.", WouldDeny: true,
	}
}

func TestOpenReports(t *testing.T) {
	object := audited(1, finding("image-tag"))
	object.Owner = "team-a"
	got := report.OpenReports("shop", "taffrail", []report.AuditedObject{object}, report.Passes{Passed: 7, Exempted: 2})
	if len(got) != 1 {
		t.Fatalf("%d reports", len(got))
	}
	want := &openreports.Report{
		TypeMeta: metav1.TypeMeta{APIVersion: "openreports.io/v1alpha1", Kind: "Report"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "taffrail", Labels: map[string]string{
			"app.kubernetes.io/managed-by": "taffrail", "app.kubernetes.io/instance": "taffrail", "app.kubernetes.io/part-of": "taffrail",
		}},
		Source: "taffrail", Summary: openreports.ReportSummary{Pass: 7, Fail: 1, Skip: 2},
		Results: []openreports.ReportResult{{
			Source: "taffrail", Policy: "image-tag", Severity: "high", Result: "fail", Scored: true, Timestamp: metav1.Timestamp{Seconds: 1800000000},
			Subjects:    []corev1.ObjectReference{{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "pod-00001", UID: "uid-1"}},
			Description: "the image has no tag",
			Properties: map[string]string{
				"resultID": got[0].Results[0].Properties["resultID"], "mode": "audit", "container": "main", "path": "spec.containers[0].image",
				"guardrails": "a,b", "remediation": "Write a tag.", "owner": "team-a",
			},
		}},
	}
	if diff := cmp.Diff(want, got[0].Report()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	cluster := report.OpenReports("", "taffrail", []report.AuditedObject{object}, report.Passes{})[0].ClusterReport()
	if cluster.Kind != "ClusterReport" || cluster.Namespace != "" || len(cluster.Results) != 1 {
		t.Errorf("got %+v", cluster)
	}
}

func TestOpenReportsResults(t *testing.T) {
	change := func(change func(*decision.Finding)) decision.Finding {
		f := finding("p")
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		finding decision.Finding
		want    string
		summary openreports.ReportSummary
	}{
		"would deny":     {finding("p"), "fail", openreports.ReportSummary{Fail: 1}},
		"denies":         {change(func(f *decision.Finding) { f.Mode, f.WouldDeny = decision.ModeEnforce, false }), "fail", openreports.ReportSummary{Fail: 1}},
		"never denies":   {change(func(f *decision.Finding) { f.Mode, f.WouldDeny = decision.ModeWarn, false }), "warn", openreports.ReportSummary{Warn: 1}},
		"cannot decide":  {change(func(f *decision.Finding) { f.Failed = true }), "error", openreports.ReportSummary{Error: 1}},
		"lacks facts":    {change(func(f *decision.Finding) { f.Unknown = "a fact" }), "error", openreports.ReportSummary{Error: 1}},
		"is not counted": {change(func(f *decision.Finding) { f.Exemptions = []string{"e"} }), "", openreports.ReportSummary{}},
	} {
		all := report.OpenReports("shop", "taffrail", []report.AuditedObject{audited(1, c.finding)}, report.Passes{})
		if c.want == "" {
			if len(all) != 0 {
				t.Errorf("%s: %+v", name, all)
			}
			continue
		}
		if got := all[0]; string(got.Results[0].Result) != c.want || got.Summary != c.summary || got.Results[0].Scored != (c.want == "fail") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A result id outlives the message and the mode, and no two results have the same one.
func TestResultIDs(t *testing.T) {
	ids := func(o report.AuditedObject) (all []string) {
		for _, r := range report.OpenReports("shop", "taffrail", []report.AuditedObject{o}, report.Passes{}) {
			for _, result := range r.Results {
				all = append(all, result.Properties["resultID"])
			}
		}
		slices.Sort(all)
		return all
	}
	secret, other := finding("p"), finding("p")
	secret.Digest, other.Digest = sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))
	before := ids(audited(1, finding("q"), secret, other))
	if len(slices.Compact(slices.Clone(before))) != 3 {
		t.Errorf("ids %q", before)
	}
	later := finding("q")
	later.Message, later.Mode, later.Path = "another", decision.ModeEnforce, "elsewhere"
	// A hash of a redacted value would allow it to be guessed.
	secret.Digest = sha256.Sum256([]byte("c"))
	if diff := cmp.Diff(before, ids(audited(1, later, secret, other))); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
	if slices.Equal(before, ids(audited(2, finding("q"), secret, other))) {
		t.Error("another object has the same ids")
	}
}

// The number of passes changes with every object that comes and goes: no report is written for it.
func TestDigestOfAnOpenReport(t *testing.T) {
	digest := func(passes report.Passes, message string) string {
		f := finding("p")
		f.Message = message
		return report.OpenReports("shop", "taffrail", []report.AuditedObject{audited(1, f)}, passes)[0].Digest()
	}
	base := digest(report.Passes{Passed: 1}, "a")
	if digest(report.Passes{Passed: 2}, "a") != base {
		t.Error("the number of passes counts")
	}
	if digest(report.Passes{Passed: 1}, "b") == base || digest(report.Passes{Passed: 1, Exempted: 1}, "a") == base {
		t.Error("a change does not count")
	}
}

// Every finding is in exactly one report, no report is too large, and one more object changes at most
// one report, or replaces one by those that its results are divided among.
func TestOpenReportsAreDivided(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, per := rapid.IntRange(1, 600).Draw(t, "objects"), rapid.IntRange(1, 4).Draw(t, "findings")
		long := rapid.IntRange(0, 900).Draw(t, "message")
		objectOf := func(i int) report.AuditedObject {
			var all []decision.Finding
			for k := range per {
				f := finding(fmt.Sprint("p", k))
				f.Message = strings.Repeat("x", long)
				all = append(all, f)
			}
			return audited(i, all...)
		}
		var objects []report.AuditedObject
		for i := range n {
			objects = append(objects, objectOf(i))
		}
		before := check(t, objects, n*per)
		after := check(t, append(objects, objectOf(n)), (n+1)*per)
		changed := 0
		for name, digest := range before {
			if after[name] != digest {
				changed++
			}
		}
		if changed > 1 || changed == 0 && len(after) != len(before)+1 {
			t.Errorf("%d of %d reports changed, now %d", changed, len(before), len(after))
		}
	})
}

// An object alone may have more findings than a report may list.
func TestOneObjectInSeveralReports(t *testing.T) {
	var all []decision.Finding
	for i := range 1200 {
		f := finding("p")
		f.Key = fmt.Sprint("key", i)
		all = append(all, f)
	}
	check(t, []report.AuditedObject{audited(1, all...)}, 1200)
}

type failer interface {
	Errorf(format string, args ...any)
}

// check checks the reports of the objects, and returns their digests by name.
func check(t failer, objects []report.AuditedObject, results int) map[string]string {
	digests, ids := map[string]string{}, map[string]bool{}
	for _, r := range report.OpenReports("shop", "taffrail", objects, report.Passes{}) {
		text, err := json.Marshal(r.Report())
		if err != nil || len(text) >= 256<<10 || len(r.Results) >= 500 || len(r.Results) == 0 {
			t.Errorf("report %s has %d results in %d bytes, %v", r.Name, len(r.Results), len(text), err)
		}
		if digests[r.Name] != "" {
			t.Errorf("two reports are named %s", r.Name)
		}
		digests[r.Name] = r.Digest()
		for _, result := range r.Results {
			ids[result.Properties["resultID"]] = true
		}
	}
	if len(ids) != results {
		t.Errorf("%d results in %q, want %d", len(ids), slices.Sorted(maps.Keys(digests)), results)
	}
	return digests
}
