package report_test

import (
	"strings"
	"testing"
	"time"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
	"taffrail.dev/webhook/report"
)

func TestReplayHTML(t *testing.T) {
	at := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	hostile := `<script>alert(1)</script>`
	workload := replay.Workload{
		APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web" + hostile, Verdict: decision.VerdictDeny, Writers: []string{"alice" + hostile}, Count: 3, First: at,
		Last: at.Add(5 * time.Hour), Findings: []replay.Finding{{Policy: "image-tag", Guardrails: []string{"team"}, Mode: decision.ModeEnforce, Outcome: "denied", Message: "image " + hostile}},
	}
	r := &replay.Report{
		Log:        auditlog.Stats{Files: 1, Events: 10, Writes: 5, First: at, Last: at.Add(400 * time.Hour), Duplicates: 2, Problems: []auditlog.Problem{{Reason: hostile}}, Broken: 1},
		Counts:     replay.Counts{Sent: 5, Deny: 3, Unknown: 1, Allow: 1},
		Reasons:    []replay.Reason{{Reason: "why" + hostile, Count: 1}},
		Namespaces: []replay.Group{{Name: "shop" + hostile, Deny: 3, Unknown: 1}},
		Hours:      []replay.Hour{{From: at, Deny: 2}, {From: at.Add(399 * time.Hour), Deny: 1, Unknown: 1}},
		Workloads:  []replay.Workload{workload},
	}
	page := func() string {
		var b strings.Builder
		if err := report.ReplayHTML(&b, r, report.HTMLOptions{Title: "Title" + hostile, Version: "v1", Now: at}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := page()
	if strings.Contains(text, "<script") {
		t.Error("the page has a script")
	}
	for _, want := range []string{
		"<b>5</b> writes sent", "<b>3</b> denied", "2 writes are in the log more than once", "1: why&lt;script&gt;", "2026-11-01 08:00: 2 denied, 0 unknown, 0 warned",
		"1 denied, 1 unknown, 0 warned", "at most 2 in 4 hours", "By namespace", "would be denied", "2026-11-01 08:00 to 2026-11-01 13:00 UTC", "written by alice&lt;script", "image &lt;script",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	r.Changes = &replay.Changes{NoLongerDenied: 1, Workloads: []replay.Change{{Workload: workload, What: replay.NoLongerDenied, Removed: workload.Findings}}}
	if text := page(); !strings.Contains(text, "would no longer be denied") || strings.Contains(text, "By namespace") {
		t.Errorf("%s", text)
	}
	r.Changes, r.Hours, r.Workloads = nil, nil, nil
	if text := page(); strings.Contains(text, "Over time") || strings.Contains(text, "Workloads</h2>") {
		t.Errorf("%s", text)
	}
}
