package chart

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

// optional lists keys that may be removed with null: Kubernetes' own, which are optional there.
var optional = []string{"/audit/resources/", "/resources/", "/guardrails/", "/metrics/dashboard/labels/"}

// keys returns the paths of all values, parents first.
func keys(path string, values map[string]any) (all []string) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		below := path + "/" + key
		if slices.ContainsFunc(optional, func(o string) bool { return strings.HasPrefix(below, o) }) {
			continue
		}
		all = append(all, below)
		if children, ok := values[key].(map[string]any); ok {
			all = append(all, keys(below, children)...)
		}
	}
	return all
}

// Helm removes a key that is set to null. What is rendered without it would be unintended: without
// failurePolicy, for example, an entry defaults to Fail.
func TestNoValueCanBeTakenAway(t *testing.T) {
	text, err := os.ReadFile(chartDir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	all := keys("", values)
	if len(all) < 80 {
		t.Fatalf("only %v: the test would hold nothing", all)
	}
	// One release per depth, because removing a key removes those below it.
	depths := map[int][]string{}
	for _, path := range all {
		depths[strings.Count(path, "/")] = append(depths[strings.Count(path, "/")], path)
	}
	everyHelm(t, func(t *testing.T, h *Helm) {
		for _, paths := range depths {
			r := release()
			for _, path := range paths {
				r = r.with(strings.ReplaceAll(path[1:], "/", ".") + "=null")
			}
			_, err := h.Template(t.Context(), r)
			failed := new(Error)
			if !errors.As(err, &failed) {
				t.Fatalf("rendered without %v: %v", paths, err)
			}
			for _, path := range paths {
				at := strings.LastIndex(path, "/")
				refused := slices.ContainsFunc(strings.Split(failed.Text, "\n"), func(line string) bool {
					return strings.Contains(line, fmt.Sprintf("at '%s': missing propert", path[:at])) && strings.Contains(line, "'"+path[at+1:]+"'")
				})
				if !refused {
					t.Errorf("%s: null is not refused in:\n%s", path, failed.Text)
				}
			}
		}
	})
}

// If the schema is not checked, any value other than Fail still means Ignore.
func TestOnlyFailIsClosed(t *testing.T) {
	everyHelm(t, func(t *testing.T, h *Helm) {
		for set, want := range map[string]map[string]bool{
			"failurePolicy=null": {"relax.taffrail.dev": true, "exemptions.taffrail.dev": true},
			"failurePolicy=fail": {"relax.taffrail.dev": true, "exemptions.taffrail.dev": true},
			"failurePolicy=Fail": {
				"relax.taffrail.dev": true, "exemptions.taffrail.dev": true, "validate.taffrail.dev": true, "services.validate.taffrail.dev": true,
				"secrets.validate.taffrail.dev": true, "configmaps.validate.taffrail.dev": true,
			},
		} {
			rendered, err := h.run(t.Context(), "", release().with("maxMode=enforce", set).arguments("template", "taffrail", h.chart, "--skip-schema-validation")...)
			if err != nil {
				t.Fatal(err)
			}
			all, _ := entries(t, decode(t, rendered), "taffrail")
			for _, w := range all {
				if closed := w.FailurePolicy == admissionregistrationv1.Fail; closed != want[w.Name] {
					t.Errorf("%s: %s has failurePolicy %s", set, w.Name, w.FailurePolicy)
				}
			}
		}
	})
}
