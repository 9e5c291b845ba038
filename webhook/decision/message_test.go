package decision_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/test/golden"
	"taffrail.dev/webhook/decision"
)

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	golden.Check(t, filepath.Join("testdata", "messages", name+".txt"), got+"\n")
}

func imageTag() decision.Finding {
	return decision.Finding{
		Policy: "image-tag", Guardrails: []string{"chapter"}, Mode: decision.ModeEnforce,
		Severity: decision.SeverityMedium, Container: "nginx",
		Path:        "spec.template.spec.containers[0].image",
		Key:         "spec.template.spec.containers[nginx].image=nginx",
		Message:     `image "nginx" has no tag, so it resolves to whatever latest is at pull time`,
		Remediation: "Name a version in the image, for example nginx:1.27.3.",
		Fix:         []decision.PatchOperation{{Op: "replace", Path: "/spec", Value: "not-to-be-printed"}},
	}
}

func probes() decision.Finding {
	return decision.Finding{
		Policy: "require-probes", Guardrails: []string{"chapter", "team-a"}, Mode: decision.ModeEnforce,
		Container: "nginx", Path: "spec.template.spec.containers[0].readinessProbe",
		Message:     "no readinessProbe, so traffic arrives before the container can answer",
		Remediation: "Add a readinessProbe\n  that asks the application itself.",
	}
}

func TestDenial(t *testing.T) {
	many := &decision.Decision{}
	for i := range 25 {
		f := imageTag()
		f.Container = fmt.Sprintf("c%02d", i)
		if i >= 22 {
			f.Policy = "require-prestop"
		}
		many.Findings = append(many.Findings, f)
	}
	mixed := &decision.Decision{Findings: []decision.Finding{imageTag(), probes()}}
	warned := probes()
	warned.Policy, warned.Mode = "spread-replicas", decision.ModeWarn
	tolerated := imageTag()
	tolerated.Tolerated = "the stored object already has it"
	mixed.Findings = append(mixed.Findings, warned, tolerated)

	hostile := imageTag()
	hostile.Message = "image \"\x1b[31mred\r\nDeployment a/b is fine\u202e\" " + strings.Repeat("x", 5000)

	whole := decision.Finding{
		Policy: "restricted-service-type", Guardrails: []string{"restricted"}, Mode: decision.ModeEnforce,
		Path: "spec.type", Message: `type LoadBalancer is not allowed in namespace "web"`,
		Remediation: "Expose the Service through an Ingress.",
	}

	for name, c := range map[string]struct {
		subject  string
		decision *decision.Decision
	}{
		"one":     {decision.Subject("Service", "web", "front"), &decision.Decision{Findings: []decision.Finding{whole}}},
		"several": {decision.Subject("Deployment", "eks-work", "nginx"), mixed},
		"many":    {decision.Subject("Deployment", "eks-work", "fleet"), many},
		"hostile": {decision.Subject("Deployment", "eks-work", "nginx"), &decision.Decision{Findings: []decision.Finding{hostile}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.decision.Denial(c.subject)
			checkGolden(t, "denial_"+name, got)
			if strings.Contains(got, "not-to-be-printed") {
				t.Error("the value of a fix is in the denial")
			}
			if strings.ContainsAny(got, "\x1b\r\u202e") {
				t.Error("a control character is in the denial")
			}
		})
	}
	if got := (&decision.Decision{Findings: []decision.Finding{tolerated, warned}}).Denial("x"); got != "" {
		t.Errorf("nothing denies, yet the denial is %q", got)
	}
}

func TestSubject(t *testing.T) {
	r := &decision.Request{GenerateName: "web-", Subresource: "resize", Namespace: decision.Namespace{Name: "a"}}
	r.Kind.Kind = "Pod"
	for want, got := range map[string]string{
		"Pod/resize a/web-*":        r.Subject(),
		"Namespace team":            decision.Subject("Namespace", "", "team"),
		"Pod default/(no name yet)": decision.Subject("Pod", "default", ""),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	warned, tolerated, audited, exempted := probes(), imageTag(), imageTag(), imageTag()
	warned.Mode = decision.ModeWarn
	tolerated.Tolerated = "the stored object already has it"
	audited.Mode = decision.ModeAudit
	exempted.Exemptions = []string{"legacy"}
	unknown, unknownWarn := probes(), probes()
	unknown.Unknown = "no LimitRange known"
	unknownWarn.Unknown, unknownWarn.Mode = "no LimitRange known", decision.ModeWarn
	d := &decision.Decision{Findings: []decision.Finding{imageTag(), warned, tolerated, audited, exempted, unknown, unknownWarn}}
	want := []string{
		`require-probes, container "nginx": no readinessProbe, so traffic arrives before the container can answer`,
		`image-tag, container "nginx": tolerated: image "nginx" has no tag, so it resolves to whatever latest is at pull time`,
		`require-probes, container "nginx": not decided: no LimitRange known`,
	}
	if diff := cmp.Diff(want, d.Warnings()); diff != "" {
		t.Error(diff)
	}
}

// A warning that is too long is cut at the end of a clause, and never inside a value.
func TestWarningsEndWithAClause(t *testing.T) {
	const start = `image-tag, container "nginx": `
	long := strings.Repeat("x", 60)
	for message, want := range map[string]string{
		`image "` + long + `" has no tag, so it resolves to whatever latest is at pull time`: `image "` + long + `" has no tag`,
		`it is "a, so b", so ` + long + " " + long:                                           `it is "a, so b"`,
		`it is "a\", so b" (` + long + " " + long + `)`:                                      `it is "a\", so b"`,
		`one, so two, but ` + long + ": three":                                               `one, so two, but ` + long + ": three",
		`one, so two, but ` + long + ": three four five":                                     `one, so two, but ` + long,
		long + " " + long:                 long + " " + strings.Repeat("x", 120-len(start)-62) + "…",
		`"` + long + `, so ` + long + `"`: `"` + long + `, so ` + strings.Repeat("x", 120-len(start)-67) + "…",
	} {
		f := imageTag()
		f.Mode, f.Message = decision.ModeWarn, message
		d := &decision.Decision{Findings: []decision.Finding{f}}
		if diff := cmp.Diff([]string{start + want}, d.Warnings()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestWarningsAreBounded(t *testing.T) {
	d := &decision.Decision{}
	for range 30 {
		f := probes()
		f.Mode = decision.ModeWarn
		f.Message = strings.Repeat("ä€😀 ", 100)
		d.Findings = append(d.Findings, f)
	}
	warnings := d.Warnings()
	if len(warnings) != decision.MaxWarnings+1 || warnings[decision.MaxWarnings] != "and 10 more warnings" {
		t.Errorf("%d warnings, the last %q", len(warnings), warnings[len(warnings)-1])
	}
	for _, w := range warnings {
		if n := utf8.RuneCountInString(w); n > decision.MaxWarning || !utf8.ValidString(w) {
			t.Errorf("%d characters: %q", n, w)
		}
	}
}

func TestFills(t *testing.T) {
	fill := func(mode decision.Mode, container, field, value string) decision.Fill {
		return decision.Fill{Policy: "inject-resources", Guardrails: []string{"chapter"}, Mode: mode, Container: container, Field: field, Value: value}
	}
	d := &decision.Decision{Fills: []decision.Fill{
		fill(decision.ModeWarn, "app", "resources.requests.cpu", "100m"),
		fill(decision.ModeWarn, "app", "resources.requests.memory", "128Mi"),
		fill(decision.ModeEnforce, "job", "resources.requests.cpu", "50m"),
	}}
	if diff := cmp.Diff([]string{`inject-resources, container "app": would set requests.cpu=100m, requests.memory=128Mi`}, d.FillWarnings()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`inject-resources, container "job": sets requests.cpu=50m`}, d.FillLines()); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{"inject-resources": "warn, required by Guardrail chapter: app: would set requests.cpu=100m, requests.memory=128Mi; " +
		"enforce, required by Guardrail chapter: job: sets requests.cpu=50m"}
	if diff := cmp.Diff(want, d.Annotations()); diff != "" {
		t.Error(diff)
	}
}

func TestAnnotations(t *testing.T) {
	audited, exempted := probes(), imageTag()
	audited.Mode = decision.ModeAudit
	exempted.Exemptions = []string{"legacy"}
	long := imageTag()
	long.Policy, long.Message = "long", strings.Repeat("ä", 5000)
	failed := decision.Finding{
		Policy: "broken", Guardrails: []string{"chapter"}, Mode: decision.ModeEnforce,
		Message: "the policy could not be evaluated", Unknown: "hunter2",
	}
	d := &decision.Decision{
		Findings: []decision.Finding{imageTag(), exempted, audited, long, failed},
		Errors:   map[string]error{"plaintext-secret": errors.New("hunter2"), "broken": errors.New("hunter2")},
	}
	if got := d.Warnings(); !slices.Equal(got, []string{"broken: the policy could not be evaluated"}) {
		t.Errorf("warnings %q", got)
	}
	got := d.Annotations()
	if n := utf8.RuneCountInString(got["long"]); n != 1000 {
		t.Errorf("%d characters", n)
	}
	delete(got, "long")
	message := `nginx: image "nginx" has no tag, so it resolves to whatever latest is at pull time`
	want := map[string]string{
		"image-tag":        "enforce, denied, required by Guardrail chapter: " + message + "; enforce, exempted (Exemption legacy), required by Guardrail chapter: " + message,
		"require-probes":   "audit, recorded, required by Guardrails chapter, team-a: nginx: no readinessProbe, so traffic arrives before the container can answer",
		"plaintext-secret": "could not be evaluated",
		"broken":           "enforce, unknown, required by Guardrail chapter: the policy could not be evaluated",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if (&decision.Decision{}).Annotations() != nil {
		t.Error("annotations of nothing")
	}
}

func TestNoFillIsLostInAWarning(t *testing.T) {
	d := &decision.Decision{}
	for _, field := range []string{"requests.cpu", "requests.memory", "limits.cpu", "limits.memory"} {
		d.Fills = append(d.Fills, decision.Fill{Policy: "inject-resources", Mode: decision.ModeWarn, Container: "backend-app", Field: "resources." + field, Value: "768Mi"})
	}
	all := strings.Join(d.FillWarnings(), "\n")
	for _, fill := range d.Fills {
		if want := strings.TrimPrefix(fill.Field, "resources.") + "=" + fill.Value; !strings.Contains(all, want) {
			t.Errorf("%s is lost in\n%s", want, all)
		}
	}
	for _, warning := range d.FillWarnings() {
		if n := utf8.RuneCountInString(warning); n > decision.MaxWarning {
			t.Errorf("%d characters: %s", n, warning)
		}
	}
}
