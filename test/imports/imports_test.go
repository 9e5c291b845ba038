// Package imports_test defines the import table: what each package of this module may import, and what it may
// not depend on at all.
package imports_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "taffrail.dev/"
	opa    = "github.com/open-policy-agent"
)

// A decision must depend on data alone. These modules would let it read from a live cluster.
var cluster = []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"}

// nowhere lists what no package may depend on, each with the reason.
var nowhere = map[string]string{
	"helm.sh/helm": "the helm program renders charts",
	"github.com/open-policy-agent/gatekeeper": "not ours to embed",
	"github.com/open-policy-agent/frameworks": "not ours to embed",
	"github.com/kyverno":                      "not ours to embed",
	"k8s.io/kubernetes":                       "it is not a library: copy the rule and test against the real API server",
	"github.com/spf13/viper":                  "configuration is flags and custom resources",
	"go.uber.org/zap":                         "log through logr or slog",
	"github.com/charmbracelet/lipgloss":       "output is plain text",
	"charm.land":                              "output is plain text",
}

// only lists modules that a single package may import.
var only = map[string]string{
	opa:                      "webhook/rego",
	"github.com/robfig/cron": "webhook/request", // Kubernetes' own parser
}

// row lists what a package may import, and what it may not depend on. A row also covers the folders below it
// that have none.
type row struct {
	// may lists the packages of this module that it may import, besides those of its own row.
	may []string
	// never lists modules, or packages of them, that it may not depend on, directly or indirectly.
	never []string
	// not lists packages that it may not import directly.
	not []string
}

// table lists the packages from the bottom to the top: none imports one that comes later.
var table = []struct {
	folder string
	row
}{
	{"policies", row{nil, slices.Concat([]string{opa}, cluster), nil}},
	{"charts", row{nil, slices.Concat([]string{opa}, cluster), nil}},
	{"webhook/api/v1alpha1", row{nil, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	{"webhook/credentials", row{nil, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	{"webhook/certs", row{nil, []string{opa}, nil}},
	{"webhook/decision", row{nil, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	{"webhook/yamldoc", row{[]string{"webhook/decision"}, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	{"webhook/request", row{[]string{"webhook/decision"}, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	{"webhook/resources", row{[]string{"webhook/decision"}, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	{"webhook/reach", row{[]string{"webhook/decision"}, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	{"webhook/facts", row{[]string{"webhook/api/v1alpha1", "webhook/decision"}, []string{opa}, nil}},
	{"webhook/rego/sandbox", row{nil, cluster, []string{"net/http"}}},
	{"webhook/rego/compile", row{[]string{"webhook/rego/sandbox"}, cluster, []string{"net/http"}}},
	{"webhook/rego", row{
		[]string{"webhook/credentials", "webhook/decision", "webhook/resources", "webhook/rego/compile", "webhook/rego/sandbox"}, cluster, []string{"net/http"},
	}},
	{"webhook/config", row{
		[]string{"webhook/api/v1alpha1", "webhook/decision", "webhook/rego", "webhook/request", "webhook/yamldoc"}, cluster, []string{"net/http"},
	}},
	{"webhook/pipeline", row{
		[]string{"webhook/config", "webhook/decision", "webhook/rego", "webhook/request", "webhook/resources"}, cluster, []string{"net/http"},
	}},
	{"webhook/configcheck", row{
		[]string{"webhook/api/v1alpha1", "webhook/config", "webhook/decision", "webhook/pipeline", "webhook/rego", "webhook/request"}, cluster, []string{"net/http"},
	}},
	{"webhook/rego/regotest", row{
		[]string{"webhook/api/v1alpha1", "webhook/config", "webhook/decision", "webhook/pipeline", "webhook/rego", "webhook/request", "webhook/yamldoc"},
		cluster, []string{"net/http"},
	}},
	{"webhook/manifest/ignore", row{nil, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	{"webhook/manifest/ordered", row{nil, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	{"webhook/manifest/repository", row{nil, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	// Of client-go, only the types of the built-in kinds.
	{"webhook/manifest", row{
		[]string{
			"webhook/config", "webhook/decision", "webhook/manifest/ignore", "webhook/manifest/ordered", "webhook/manifest/repository", "webhook/request", "webhook/yamldoc",
		}, []string{"sigs.k8s.io/controller-runtime"}, nil,
	}},
	{"webhook/live", row{[]string{"webhook/api/v1alpha1", "webhook/config", "webhook/decision", "webhook/manifest"}, nil, nil}},
	{"webhook/replay/auditlog", row{nil, slices.Concat([]string{opa}, cluster), []string{"net/http"}}},
	{"webhook/replay", row{
		[]string{"webhook/api/v1alpha1", "webhook/config", "webhook/decision", "webhook/pipeline", "webhook/replay/auditlog", "webhook/request"}, cluster, []string{"net/http"},
	}},
	{"webhook/report", row{
		[]string{
			"webhook/api/v1alpha1", "webhook/decision", "webhook/manifest", "webhook/manifest/repository", "webhook/rego", "webhook/rego/regotest", "webhook/replay",
			"webhook/yamldoc",
		}, nil, []string{"net/http"},
	}},
	{"webhook/admission", row{[]string{"webhook/config", "webhook/configcheck", "webhook/decision", "webhook/pipeline", "webhook/request"}, cluster, []string{"github.com/prometheus/client_golang/prometheus"}}},
	{"webhook/audit", row{[]string{"webhook/config", "webhook/decision", "webhook/pipeline", "webhook/rego", "webhook/report", "webhook/request"}, nil, nil}},
	{"webhook/events", row{[]string{"webhook/admission", "webhook/decision"}, nil, nil}},
	{"webhook/metrics", row{[]string{"webhook/admission", "webhook/decision"}, cluster, nil}},
	{"webhook/controller", row{
		[]string{
			"webhook/admission", "webhook/api/v1alpha1", "webhook/audit", "webhook/config", "webhook/configcheck", "webhook/decision", "webhook/facts", "webhook/metrics",
			"webhook/pipeline", "webhook/reach", "webhook/rego", "webhook/rego/compile", "webhook/report", "webhook/request",
		}, nil, nil,
	}},
	{"webhook/server", row{
		[]string{"webhook/admission", "webhook/audit", "webhook/certs", "webhook/controller", "webhook/decision", "webhook/events", "webhook/metrics", "webhook/reach", "webhook/rego"}, nil, nil,
	}},
	{"cmd/taffrail", row{
		[]string{
			"charts", "policies", "webhook/admission", "webhook/api/v1alpha1", "webhook/audit", "webhook/certs", "webhook/config", "webhook/decision", "webhook/live",
			"webhook/manifest", "webhook/manifest/ignore", "webhook/manifest/ordered", "webhook/manifest/repository", "webhook/pipeline", "webhook/rego", "webhook/rego/regotest",
			"webhook/replay", "webhook/replay/auditlog", "webhook/report", "webhook/request", "webhook/server", "webhook/yamldoc",
		}, nil, nil,
	}},
}

func TestTheTableGoesUp(t *testing.T) {
	for i, r := range table {
		for _, folder := range r.may {
			if at := indexOf(folder); at < 0 || at >= i {
				t.Errorf("%s may import %s, which is not below it in the table", r.folder, folder)
			}
		}
	}
}

func TestDependencies(t *testing.T) {
	imports := listImports(t)
	used := map[string]map[string]bool{} // what the packages of each row import
	for path, direct := range imports {
		folder, ours := strings.CutPrefix(path, module)
		if !ours {
			continue
		}
		for _, prefix := range slices.Sorted(maps.Keys(nowhere)) {
			forbid(t, imports, path, prefix, nowhere[prefix])
		}
		if strings.HasPrefix(folder, "test/") {
			continue
		}
		forbid(t, imports, path, module+"test", "only tests need it")
		own := rowOf(folder)
		if own == "" {
			t.Errorf("%s has no row in the table: add one that lists what it may import", folder)
			continue
		}
		if used[own] == nil {
			used[own] = map[string]bool{}
		}
		rules := table[indexOf(own)].row
		for _, prefix := range rules.never {
			forbid(t, imports, path, prefix, "see its row in the table")
		}
		for _, imported := range direct {
			other, isOurs := strings.CutPrefix(imported, module)
			used[own][rowOf(other)] = true
			if isOurs && rowOf(other) != own && !slices.Contains(rules.may, rowOf(other)) {
				t.Errorf("%s may not import %s: its row in the table does not list it", folder, other)
			}
			if slices.Contains(rules.not, imported) {
				t.Errorf("%s may not import %s", folder, imported)
			}
			for prefix, owner := range only {
				if isBelow(imported, prefix) && folder != owner && !isBelow(folder, owner) {
					t.Errorf("%s may not import %s: only %s does", folder, imported, owner)
				}
			}
		}
	}
	for _, r := range table {
		if used[r.folder] == nil {
			t.Errorf("the table has a row for %s, which is not a package", r.folder)
			continue
		}
		for _, folder := range r.may {
			if !used[r.folder][folder] {
				t.Errorf("%s may import %s and does not: remove it from its row", r.folder, folder)
			}
		}
	}
}

// forbid fails the test if a package depends on what is at or below a prefix.
func forbid(t *testing.T, imports map[string][]string, path, prefix, reason string) {
	t.Helper()
	if chain := chainTo(imports, path, prefix); chain != nil {
		t.Errorf("%s may not depend on %s (%s), but:\n\t%s", path, prefix, reason, strings.Join(chain, "\n\t→ "))
	}
}

// indexOf returns the index of a folder's row in the table, or -1 if it has none.
func indexOf(folder string) int {
	return slices.IndexFunc(table, func(r struct {
		folder string
		row
	}) bool {
		return r.folder == folder
	})
}

// rowOf returns the row of a folder: its own, or that of the nearest folder above.
func rowOf(folder string) string {
	for folder != "." {
		if indexOf(folder) >= 0 {
			return folder
		}
		folder = filepath.ToSlash(filepath.Dir(folder))
	}
	return ""
}

// chainTo returns the shortest chain of imports that leads from a package to one at or below a prefix, not
// counting packages of the same row. It returns nil if there is none.
func chainTo(imports map[string][]string, from, prefix string) []string {
	own := rowOf(strings.TrimPrefix(from, module))
	via := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range imports[queue[0]] {
			if _, seen := via[next]; seen {
				continue
			}
			via[next] = queue[0]
			queue = append(queue, next)
			sibling := own != "" && rowOf(strings.TrimPrefix(next, module)) == own
			if !sibling && isBelow(next, prefix) {
				var chain []string
				for at := next; at != ""; at = via[at] {
					chain = append(chain, at)
				}
				slices.Reverse(chain)
				return chain
			}
		}
	}
	return nil
}

func isBelow(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
}

// listImports returns the imports, outside of tests, of every package of the module and of its dependencies.
func listImports(t *testing.T) map[string][]string {
	t.Helper()
	root := filepath.Join("..", "..")
	watch(t, root)
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	command.Dir = root
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	imports := map[string][]string{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var listed struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		imports[listed.ImportPath] = listed.Imports
	}
	if len(imports[module+"webhook/decision"]) == 0 {
		t.Fatal("go list did not list webhook/decision: the test would hold nothing")
	}
	return imports
}

// watch reads every folder that may contain Go code, because go test does not see which files go list depends
// on and would return a cached result.
func watch(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
