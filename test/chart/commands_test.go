package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// command is a helm command in a page that installs or upgrades.
type command struct {
	text    string
	upgrade bool
	reuses  bool
	values  Release
}

var (
	block = regexp.MustCompile("(?s)\n```[a-z]*\n(.*?)\n```\n")
	flags = regexp.MustCompile(`(-f|--set|--set-json|--set-file) +('[^']+'|\S+)`)
)

// commands returns the helm commands of a section of a page, in order.
func commands(section string) (all []command) {
	for _, found := range block.FindAllStringSubmatch(section, -1) {
		for line := range strings.SplitSeq(strings.ReplaceAll(found[1], "\\\n", " "), "\n") {
			install, upgrade := strings.HasPrefix(line, "helm install "), strings.HasPrefix(line, "helm upgrade ")
			if !install && !upgrade {
				continue
			}
			c := command{text: line, upgrade: upgrade, reuses: strings.Contains(line, " --reset-then-reuse-values"), values: release()}
			for _, flag := range flags.FindAllStringSubmatch(line, -1) {
				switch value := strings.Trim(flag[2], "'"); flag[1] {
				case "-f":
					c.values.Presets = append(c.values.Presets, strings.TrimSuffix(strings.TrimPrefix(value, "charts/taffrail/values-"), ".yaml"))
				case "--set":
					c.values = c.values.with(value)
				}
			}
			all = append(all, c)
		}
	}
	return all
}

// but removes the objects that differ when a webhook is switched to Fail.
func but(objects []*unstructured.Unstructured, kind string) []*unstructured.Unstructured {
	return slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
		// The Job that runs before an upgrade depends on the new values.
		return o.GetKind() == kind || o.GetKind() == "Job"
	})
}

// Installing by a page and then setting failurePolicy Fail changes nothing else. A value missing from the
// second command would, for example, remove the Service that the webhooks call.
func TestClosingChangesNothingElse(t *testing.T) {
	h := helm4(t)
	closings := 0
	for section := range strings.SplitSeq(page(t, "docs/eks.md"), "\n## ") {
		var installed *command
		before := closings
		for _, c := range commands(section) {
			if !c.upgrade {
				installed = &c
				continue
			}
			if installed == nil {
				continue
			}
			closings++
			upgraded := c.values
			if c.reuses {
				upgraded.Presets = slices.Concat(installed.values.Presets, c.values.Presets)
				upgraded.Set = slices.Concat(installed.values.Set, c.values.Set)
			}
			open, closed := render(t, h, installed.values), render(t, h, upgraded)
			all, _ := entries(t, closed, "taffrail")
			if at := slices.IndexFunc(all, func(w webhook) bool { return w.Name == "validate.taffrail.dev" }); all[at].FailurePolicy != "Fail" {
				t.Errorf("not closed by %s", c.text)
			}
			if diff := cmp.Diff(but(open, "ValidatingWebhookConfiguration"), but(closed, "ValidatingWebhookConfiguration")); diff != "" {
				t.Errorf("%s\nafter\n%s\nchanges:\n%s", c.text, installed.text, diff)
			}
		}
		if installed != nil && slices.Contains(installed.values.Set, "failurePolicy=Ignore") && closings == before {
			t.Errorf("never closed: %s", installed.text)
		}
	}
	if closings != 2 {
		t.Errorf("%d closings, want one with the VPC CNI and one with another", closings)
	}
}

// An upgrade uses the given values and forgets all others, unless it is run with a flag to keep them.
// --reuse-values would also keep the defaults of the previous chart.
func TestUpgradesKeepWhatWasSet(t *testing.T) {
	pages, err := filepath.Glob(chartDir + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	upgrades := 0
	for _, file := range append(pages, chartDir+"/README.md", chartDir+"/templates/NOTES.txt", root+"/README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), " --reuse-values") {
			t.Errorf("%s: --reuse-values", file)
		}
		for _, c := range commands(string(text)) {
			if c.upgrade {
				upgrades++
			}
			if c.upgrade && !c.reuses {
				t.Errorf("%s: forgets what was set: %s", file, c.text)
			}
		}
	}
	if upgrades < 8 {
		t.Errorf("only %d upgrades: the test would hold nothing", upgrades)
	}
}

// A tool that renders without installing must include the CRDs, and would run hooks at any time.
func TestRenderedWithoutHelmInstall(t *testing.T) {
	everyHelm(t, func(t *testing.T, h *Helm) {
		const flags = "--include-crds --no-hooks"
		if !strings.Contains(page(t, "docs/upgrade-and-uninstall.md"), "helm template taffrail charts/taffrail -n taffrail-system "+flags) {
			t.Error("the page has another command")
		}
		rendered, err := h.run(t.Context(), "", append(release().arguments("template", "taffrail", h.chart), strings.Fields(flags)...)...)
		if err != nil {
			t.Fatal(err)
		}
		crds := 0
		for _, object := range decode(t, rendered) {
			if object.GetKind() == "CustomResourceDefinition" {
				crds++
			}
			if hook := object.GetAnnotations()["helm.sh/hook"]; hook != "" {
				t.Errorf("%s %s is a hook: %s", object.GetKind(), object.GetName(), hook)
			}
		}
		if crds != 3 {
			t.Errorf("%d CRDs, want 3", crds)
		}
	})
}
