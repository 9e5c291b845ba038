package chart

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// parent returns a chart that includes Taffrail's as a conditional dependency.
func parent(t *testing.T, h *Helm) *Helm {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "charts", "taffrail"), os.DirFS(chartDir)); err != nil {
		t.Fatal(err)
	}
	const text = `{apiVersion: v2, name: platform, version: 1.0.0, dependencies: [{name: taffrail, version: "*", repository: "", condition: taffrail.enabled}]}`
	if err := os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Helm{Version: h.Version, path: h.path, chart: dir}
}

func TestAParentChartCanLeaveItOut(t *testing.T) {
	everyHelm(t, func(t *testing.T, h *Helm) {
		h = parent(t, h)
		for set, want := range map[string]bool{"global.region=eu": true, "taffrail.enabled=true": true, "taffrail.enabled=false": false} {
			objects := render(t, h, release().with(set))
			if got := len(objects) > 0; got != want {
				t.Errorf("%s: %d objects", set, len(objects))
			}
			if want {
				deployment(t, objects, "taffrail")
			}
		}
		failed := new(Error)
		if _, err := h.Template(t.Context(), release().with("taffrail.failurePolicy=null")); !errors.As(err, &failed) {
			t.Errorf("rendered without failurePolicy: %v", err)
		} else if !strings.Contains(failed.Text, "missing property 'failurePolicy'") {
			t.Error(failed.Text)
		}
	})
}
