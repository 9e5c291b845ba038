// Package imports_test holds the half of the import table that a linter of single
// files cannot see: what a package may not depend on through others. What it may not
// import itself is depguard's, in .golangci.yml.
package imports_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module = "taffrail.dev/"
	opa    = "github.com/open-policy-agent/opa"
)

var (
	// A decision is made from data alone: these would let it ask a live cluster.
	cluster = []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"}

	// What no package of ours may bring into the binary.
	nowhere = []string{
		"github.com/kyverno", "github.com/open-policy-agent/gatekeeper", "github.com/spf13/viper", "helm.sh/helm",
		"k8s.io/kubernetes",
	}

	// never has a row for every package under policies and webhook; a row covers the folders
	// below it. An entry forbids a module or package, and all below it, at any distance.
	never = map[string][]string{
		"policies":              append([]string{module, opa}, cluster...),
		"charts":                append([]string{module, opa}, cluster...),
		"webhook/admission":     {"taffrail.dev/webhook/audit", "taffrail.dev/webhook/report"},
		"webhook/api/v1alpha1":  append([]string{module, opa}, cluster...),
		"webhook/audit":         {"taffrail.dev/webhook/admission"},
		"webhook/rego/regotest": cluster,
		"webhook/certs":         {module, opa},
		"webhook/credentials":   append([]string{module, opa}, cluster...),
		"webhook/facts":         {},
		"webhook/config":        cluster,
		"webhook/rego":          cluster,
		"webhook/pipeline":      cluster,
		"webhook/resources":     append([]string{opa}, cluster...),
		"webhook/request":       append([]string{opa}, cluster...),
		"webhook/reach":         append([]string{opa}, cluster...),
		"webhook/replay":        {"taffrail.dev/webhook/admission"},
		"webhook/report":        {"taffrail.dev/webhook/admission"},
		"webhook/decision":      append([]string{module, opa}, cluster...),
		"webhook/server":        {},
	}

	// unruled packages need no depguard rule of their own beside those for everyone.
	unruled = []string{"webhook/facts", "webhook/server"}
)

func TestDependencies(t *testing.T) {
	imports := listImports(t)
	for path := range imports {
		folder, ours := strings.CutPrefix(path, module)
		if !ours {
			continue
		}
		forbidden := nowhere
		if !strings.HasPrefix(folder, "test/") {
			forbidden = append(slices.Clone(nowhere), module+"test")
		}
		if strings.HasPrefix(folder, "charts") || strings.HasPrefix(folder, "policies") || strings.HasPrefix(folder, "webhook/") {
			row := rowOf(folder)
			if row == "" {
				t.Errorf("%s has no row in the table: say there what it may not depend on", folder)
				continue
			}
			forbidden = append(forbidden, never[row]...)
		}
		for _, prefix := range forbidden {
			if chain := chainTo(imports, path, prefix); chain != nil {
				t.Errorf("%s may not depend on %s, but:\n\t%s", folder, prefix, strings.Join(chain, "\n\t→ "))
			}
		}
	}
}

func TestDepguardHasRules(t *testing.T) {
	config, err := os.ReadFile(filepath.Join("..", "..", ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for folder := range never {
		if !slices.Contains(unruled, folder) && !bytes.Contains(config, []byte(`"**/`+folder+`/**"`)) {
			t.Errorf(".golangci.yml has no depguard rule for the files of %s", folder)
		}
	}
}

// The page for contributors lists every package of the product, and no other.
func TestReadmeListsPackages(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "webhook", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:charts|cmd|policies|webhook)[^`]*)` \\|").FindAllStringSubmatch(string(text), -1) {
		listed[row[1]] = true
	}
	for path := range listImports(t) {
		folder, ours := strings.CutPrefix(path, module)
		if ours && !strings.HasPrefix(folder, "test/") && !listed[folder] {
			t.Errorf("webhook/README.md does not list %s: add a row that says what it is", folder)
		}
		delete(listed, folder)
	}
	for folder := range listed {
		t.Errorf("webhook/README.md lists %s, which does not exist", folder)
	}
}

// rowOf returns the row for a folder: its own or that of the nearest folder above.
func rowOf(folder string) string {
	for folder != "." {
		if _, ok := never[folder]; ok {
			return folder
		}
		folder = filepath.ToSlash(filepath.Dir(folder))
	}
	return ""
}

// chainTo returns the shortest chain of imports that leads from a package to one at or
// below a prefix, not counting packages of the same row, or nil.
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

// listImports returns what every package of the module, and every package those depend
// on, imports outside its tests.
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

// watch reads every folder that may hold Go code, for go test's sake: it would answer
// from its cache otherwise, since it does not see which files go list depends on.
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
