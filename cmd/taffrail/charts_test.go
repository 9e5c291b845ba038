package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taffrail.dev/test/golden"
)

const chartsDir = "../../test/testdata/charts"

// chartObject is an object of the JSON in the form that the golden files of the charts show.
type chartObject struct {
	Kind, Namespace, Name, Verdict string
	Findings                       []struct {
		Policy, Mode, Container, Path, Message, Unknown string
		Fix                                             []struct{}
	}
	Filled []struct{ Container, Field, Value string }
}

// The findings of the built-in Guardrails in manifests in the style of well-known charts. The golden files make
// a reviewer see every finding that appears or disappears, and every false alarm.
func TestCharts(t *testing.T) {
	files, err := filepath.Glob(chartsDir + "/*.*")
	if err != nil || len(files) == 0 {
		t.Fatal("no manifests", err)
	}
	for _, file := range files {
		name, isGolden := strings.CutSuffix(file, ".txt")
		if isGolden {
			if _, err := os.Stat(name + ".yaml"); err != nil {
				t.Errorf("nothing is checked for %s: %v", file, err)
			}
			continue
		}
		name = strings.TrimSuffix(file, ".yaml")
		t.Run(filepath.Base(name), func(t *testing.T) { checkChart(t, file, name+".txt") })
	}
}

func checkChart(t *testing.T, manifest, file string) {
	t.Helper()
	_, stdout, stderr := execute(strings.NewReader(""), "check", "-o", "json", "-n", "apps", manifest)
	if strings.Contains(stdout+stderr, secretValue) {
		t.Error("a secret value is printed")
	}
	var report struct {
		Objects []chartObject
		Errors  []struct{ Message string }
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if len(report.Errors) > 0 || len(report.Objects) == 0 {
		t.Fatalf("%d objects, errors %v", len(report.Objects), report.Errors)
	}
	var got strings.Builder
	for _, o := range report.Objects {
		got.WriteString(o.words())
	}
	golden.Check(t, file, got.String())
}

func (o *chartObject) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s\n", o.Kind, strings.TrimPrefix(o.Namespace+"/"+o.Name, "/"), o.Verdict)
	for _, f := range o.Findings {
		fmt.Fprintf(&b, "  %s %s%s at %s\n    %s\n", f.Mode, f.Policy, of(f.Container), f.Path, f.Message)
		if f.Unknown != "" {
			fmt.Fprintf(&b, "    unknown, because %s\n", f.Unknown)
		}
		if len(f.Fix) > 0 {
			b.WriteString("    a fix is proposed\n")
		}
	}
	for _, f := range o.Filled {
		fmt.Fprintf(&b, "  filled%s: %s=%s\n", of(f.Container), f.Field, f.Value)
	}
	return b.String()
}

func of(container string) string {
	if container == "" {
		return ""
	}
	return " of " + container
}
