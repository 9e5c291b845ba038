package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// page reads a page of the chart's documentation.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var link = regexp.MustCompile(`\]\(([^)#]+)\)`)

func TestPagesAreReadable(t *testing.T) {
	pages, err := filepath.Glob(chartDir + "/docs/*.md")
	if err != nil || len(pages) < 9 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, file := range append(pages, chartDir+"/README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if utf8.RuneCountInString(line) > 120 && !strings.HasPrefix(line, "|") {
				t.Errorf("%s:%d: longer than 120 characters", file, i+1)
			}
		}
		for _, to := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(to[1], "https://") {
				continue // of another project
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), to[1])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	// The notes and comments also refer to pages.
	for _, file := range []string{"templates/NOTES.txt", "values.yaml", "values-audit.yaml", "values-opt-in.yaml", "values-eks.yaml", "values-eks-custom-cni.yaml", "values-eks-calico.yaml"} {
		for _, named := range regexp.MustCompile(`docs/[a-z-]+\.md`).FindAllString(page(t, file), -1) {
			page(t, named)
		}
	}
}

// The page lists every metric and no other; the same holds for alerts.
func TestMetricsPageIsComplete(t *testing.T) {
	h := helm4(t)
	text := page(t, "docs/metrics.md")
	s := readServed(t)
	for name := range s.labels {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s is not explained", name)
		}
	}
	for _, named := range metric.FindAllStringSubmatch(text, -1) {
		if _, ok := s.labels[named[1]]; !ok {
			t.Errorf("%s is explained, and nobody serves it", named[1])
		}
	}
	there := alerts(t, render(t, h, release().with(everything...)))
	for name, a := range there {
		if !strings.Contains(text, "| "+name+" | "+a.Labels["severity"]+" |") {
			t.Errorf("%s (%s) is not explained", name, a.Labels["severity"])
		}
	}
	for _, named := range regexp.MustCompile(`\| (Taffrail[A-Za-z]+) \|`).FindAllStringSubmatch(text, -1) {
		if _, ok := there[named[1]]; !ok {
			t.Errorf("%s is explained, and is not there", named[1])
		}
	}
}

// An engineer on call patches entries by their name.
func TestBreakGlassPatchesTheEntriesThatAreClosed(t *testing.T) {
	h := helm4(t)
	text := page(t, "docs/break-glass.md")
	webhooks := find[admissionregistrationv1.ValidatingWebhookConfiguration](t, render(t, h, release("eks")), "ValidatingWebhookConfiguration", "taffrail").Webhooks
	for _, w := range webhooks {
		patched := strings.Contains(text, `{"name":"`+w.Name+`","failurePolicy":"Ignore"}`)
		if closed := *w.FailurePolicy == admissionregistrationv1.Fail; patched != closed {
			t.Errorf("%s is closed: %t, and is opened: %t", w.Name, closed, patched)
		}
	}
	// The last of two equal flags counts, so an appended flag is the effective one.
	if args := container(t, render(t, h, release("eks"))).Args; slices.Index(args, "--max-mode=enforce") < 0 || !strings.Contains(text, `args/-","value":"--max-mode=audit"`) {
		t.Errorf("the ceiling is set otherwise: %v", args)
	}
}
