package report

import (
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/manifest"
)

func asHTML(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	printer := NewHTML(&b, HTMLOptions{Title: "A <title>", Version: "v1.2.3", Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	if err := whole(printer, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// liveObject returns an object that was read from a cluster.
func liveObject(gvk schema.GroupVersionKind, namespace, name string, findings ...decision.Finding) Object {
	return Object{
		Request: &decision.Request{Kind: gvk, Name: name, Namespace: decision.Namespace{Name: namespace}}, Cluster: "prod", Context: "admin@prod", Owner: "team-a",
		Decision: &decision.Decision{Verdict: decision.Worst(findings), Findings: findings},
	}
}

// wire returns the data in a page.
func wire(t *testing.T, page string) (w htmlWire, findings []map[string]string) {
	t.Helper()
	_, rest, _ := strings.Cut(page, `<script type="application/json" id="data">`)
	text, _, found := strings.Cut(rest, "</script>")
	if !found {
		t.Fatalf("no data in:\n%s", page)
	}
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	for _, row := range w.Findings {
		finding := map[string]string{}
		for i, column := range w.ObjectColumns {
			finding[column] = w.Texts[w.Objects[row[0]][i]]
		}
		for i, column := range w.FindingColumns[1:] {
			finding[column] = w.Texts[row[i+1]]
		}
		findings = append(findings, finding)
	}
	return w, findings
}

// The page has everything that the JSON has about a finding.
func TestHTMLData(t *testing.T) {
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	finding := decision.Finding{
		Policy: "a-policy", Guardrails: []string{"one", "two"}, Mode: decision.ModeEnforce, Severity: decision.SeverityHigh, Container: "main",
		Path: "spec.a", Key: "a", Message: "it is <b>wrong</b>", Remediation: "Do it.", Fix: []decision.PatchOperation{{Op: "add", Path: "/spec/a", Value: "<"}},
	}
	exempted := finding
	exempted.Exemptions, exempted.Fix = []string{"legacy"}, nil
	_, got := wire(t, asHTML(t, &Report{Objects: []Object{liveObject(deployment, "shop", "web", exempted, finding)}}))
	want := map[string]string{
		"kind": "Deployment", "namespace": "shop", "name": "web", "cluster": "prod", "owner": "team-a",
		"command": "kubectl get deployment.apps/web --namespace=shop --context=admin@prod --output=yaml",
		"outcome": "denied", "policy": "a-policy", "guardrails": "one, two", "mode": "enforce", "severity": "high", "container": "main", "path": "spec.a", "file": "",
		"key": "a", "message": "it is <b>wrong</b>", "remediation": "Do it.", "fix": `[{"op":"add","path":"/spec/a","value":"\u003c"}]`, "reason": "", "change": "",
	}
	if len(got) != 2 || got[0]["id"] == got[1]["id"] || len(got[0]["id"]) < 12 {
		t.Fatalf("got %v", got)
	}
	if got[1]["outcome"] != "exempted" || got[1]["reason"] != "exempted by Exemption legacy" {
		t.Errorf("the exempted finding: %v", got[1])
	}
	delete(got[0], "id")
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A link to a finding stays valid in later reports, in which other findings are new.
func TestHTMLIDsAreStable(t *testing.T) {
	pod := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	finding := func(key string) decision.Finding {
		return decision.Finding{Policy: "a-policy", Mode: decision.ModeWarn, Key: key}
	}
	_, before := wire(t, asHTML(t, &Report{Objects: []Object{liveObject(pod, "shop", "web", finding("b"))}}))
	_, after := wire(t, asHTML(t, &Report{Objects: []Object{liveObject(pod, "shop", "web", finding("a"), finding("b"))}}))
	if before[0]["id"] != after[1]["id"] || before[0]["id"] == after[0]["id"] {
		t.Errorf("before %s, after %s and %s", before[0]["id"], after[0]["id"], after[1]["id"])
	}
}

// The most costly findings come first, and those of a file name its line.
func TestHTMLOrder(t *testing.T) {
	_, got := wire(t, asHTML(t, report()))
	var order []string
	for _, f := range got {
		order = append(order, f["outcome"]+" "+f["name"]+" "+f["file"]+f["command"])
	}
	want := []string{"denied denied f.yaml:3", "unknown unknown f.yaml:3", "warned denied f.yaml:3", "warned warned f.yaml:3", "recorded warned f.yaml:3", "recorded recorded f.yaml:3"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The policy of the page names exactly its own style and script, and permits nothing else.
func TestHTMLContentSecurityPolicy(t *testing.T) {
	page := asHTML(t, report())
	policy := html.UnescapeString(regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`).FindStringSubmatch(page)[1])
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page)[1]
	script := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindStringSubmatch(page)[1]
	want := fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
		sourceHash(style), sourceHash(script))
	if policy != want {
		t.Errorf("got  %s\nwant %s", policy, want)
	}
	// "http" occurs in the name of the policy only.
	if n := len(regexp.MustCompile(`(?i)https?:|src=|url\(|@import|srcset`).FindAllString(page, -1)); n > 0 {
		t.Errorf("the page refers to %d other resources", n)
	}
}

// Names come from strangers, and are text wherever they are.
func TestHTMLEscapes(t *testing.T) {
	const hostile = `</script><script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	finding := decision.Finding{
		Policy: hostile, Guardrails: []string{hostile}, Mode: decision.ModeEnforce, Severity: hostile, Container: hostile, Path: hostile, Key: hostile,
		Message: hostile, Remediation: hostile, Unknown: hostile, Exemptions: []string{hostile}, Tolerated: hostile,
		Fix: []decision.PatchOperation{{Op: hostile, Path: hostile, Value: hostile}},
	}
	live := liveObject(schema.GroupVersionKind{Group: hostile, Version: hostile, Kind: hostile}, hostile, hostile, finding)
	live.Cluster, live.Context, live.Owner = hostile, hostile, hostile
	file := live
	file.Source = manifest.Source{File: hostile, Line: 1}
	problem := Problem{Source: manifest.Source{File: hostile}, Message: hostile}
	page := asHTML(t, &Report{Objects: []Object{live, file}, Errors: []Problem{problem}, Warnings: []Problem{problem}})
	if strings.Contains(page, "<img") || strings.Contains(page, "<script>alert") || strings.Contains(page, "</script><script>alert") {
		t.Errorf("a name is HTML:\n%s", page)
	}
	if _, findings := wire(t, page); findings[0]["message"] != hostile {
		t.Errorf("the message is %q", findings[0]["message"])
	}
}

// Texts that do not print, or that change the direction of others, are replaced, and credentials are redacted.
func TestHTMLIsPrintableAndRedacted(t *testing.T) {
	const password = "Hunter2MARK"
	finding := decision.Finding{Policy: "a-policy", Mode: decision.ModeWarn, Message: "a\u202eb\x1b[2J\nc", Fix: []decision.PatchOperation{{Op: "add", Path: "/a", Value: "DB_PASSWORD=" + password}}}
	object := liveObject(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, "shop", "user:"+password+"@host", finding)
	page := asHTML(t, &Report{Objects: []Object{object}, Errors: []Problem{{Message: "DB_PASSWORD=" + password}}})
	if strings.Contains(page, password) {
		t.Error("the page contains a credential")
	}
	_, findings := wire(t, page)
	if got := findings[0]["message"]; got != "a\ufffdb\ufffd[2J c" {
		t.Errorf("the message is %q", got)
	}
	if got := findings[0]["fix"]; got != "" {
		t.Errorf("a fix that does not work is shown: %s", got)
	}
}

// A text that many findings share is in the data once, and the table without scripts has an end.
func TestHTMLIsCompact(t *testing.T) {
	var objects []Object
	for i := range 1000 {
		finding := decision.Finding{Policy: "a-policy", Mode: decision.ModeWarn, Message: "it is wrong", Remediation: "Write something else."}
		objects = append(objects, liveObject(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, fmt.Sprintf("team-%d", i), "web", finding))
	}
	page := asHTML(t, &Report{Objects: objects})
	if n := strings.Count(page, "Write something else."); n != htmlFirst+1 {
		t.Errorf("the same text occurs %d times", n)
	}
	if !strings.Contains(page, "<summary>992 more</summary>") || !strings.Contains(page, "and 950 more with 950 findings") {
		t.Error("the chart does not say what it leaves out")
	}
}

func TestHTMLBars(t *testing.T) {
	data := newHTMLData()
	for outcome, n := range map[string]int{"denied": 1, "warned": 2} {
		for range n {
			data.findings = append(data.findings, &htmlFinding{Policy: "a", Outcome: outcome})
		}
	}
	data.findings = append(data.findings, &htmlFinding{Policy: "b", Outcome: "recorded"})
	want := htmlBars{Key: "policy", Title: "By policy", Shown: []*htmlBar{
		{Key: "policy", Value: "a", Label: "a", Count: 3, Text: "1 denied, 2 warned", Parts: []htmlPart{{"denied", 0, 333}, {"warned", 333, 667}}},
		{Key: "policy", Value: "b", Label: "b", Count: 1, Text: "1 recorded", Parts: []htmlPart{{"recorded", 0, 333}}},
	}}
	if diff := cmp.Diff(want, data.bars("policy", "By policy", func(f *htmlFinding) string { return f.Policy })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHTMLTotals(t *testing.T) {
	page := asHTML(t, &Report{
		Errors: []Problem{{Source: manifest.Source{File: "g.yaml", Line: 7}, Message: "is a puzzle"}}, Warnings: []Problem{{Message: "spec.b: has no effect"}},
		Skipped: []Skipped{{Reason: &manifest.NotObjectError{Category: manifest.Patch}}},
	})
	for _, want := range []string{
		"<h1>A &lt;title&gt;</h1>", "<time>2026-01-02 03:04 UTC</time> · Taffrail v1.2.3", "<b>0</b> objects", "<b>1</b> error<", "g.yaml:7: is a puzzle",
		"spec.b: has no effect", "1 kustomize patch: not an object", "There are no findings.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in:\n%s", want, page)
		}
	}
	if page := asHTML(t, &Report{}); !strings.Contains(page, NoObjects) {
		t.Error("an empty report looks clean")
	}
}

func TestKubectlCommand(t *testing.T) {
	for want, object := range map[string]Object{
		"kubectl get pod/web --namespace=shop --context=admin@prod --output=yaml": liveObject(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, "shop", "web"),
		// It must not print the values.
		"kubectl describe secret/web --namespace=shop --context=admin@prod":                             liveObject(schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, "shop", "web"),
		"kubectl get clusterrole.rbac.authorization.k8s.io/system:x --context=admin@prod --output=yaml": liveObject(schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}, "", "system:x"),
		`kubectl get pod/web '--namespace=$(reboot)' --context=admin@prod --output=yaml`:                liveObject(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, "$(reboot)", "web"),
		`kubectl get 'pod/it'\''s; reboot' --namespace=shop --context=admin@prod --output=yaml`:         liveObject(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, "shop", "it's; reboot"),
	} {
		if got := kubectlCommand(&object); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	object := liveObject(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, "shop", "web")
	object.Context = ""
	if got := kubectlCommand(&object); got != "kubectl get pod/web --namespace=shop --output=yaml" {
		t.Errorf("without a context: %s", got)
	}
}
