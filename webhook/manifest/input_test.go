package manifest

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/decision"
)

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"

// tree creates files, and links for the names that end in "@".
func tree(t *testing.T, files map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range files {
			if !yield(name) {
				return
			}
		}
	}) {
		link, isLink := strings.CutSuffix(name, "@")
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if isLink {
			err = os.Symlink(files[name], link)
		} else {
			err = os.WriteFile(name, []byte(files[name]), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func names(items []Item) (names []string) {
	for _, item := range items {
		names = append(names, item.Source.File)
	}
	return names
}

func TestLinkedFolders(t *testing.T) {
	t.Chdir(t.TempDir())
	tree(t, map[string]string{
		"elsewhere/b.yaml": configMap, "elsewhere/again@": "../elsewhere", "elsewhere/home@": "../repo",
		"repo/a.yaml": configMap, "repo/linked@": "../elsewhere", "repo/twice@": "../elsewhere", "repo/up@": "..", "repo/self@": ".",
		"repo/base/c.yaml": configMap, "repo/inside@": "base", "repo/gone@": "nowhere",
		"repo/..d.yaml": configMap, "repo/..internal/e.yaml": configMap, "repo/shown@": "..internal",
		// As the kubelet mounts a ConfigMap.
		"mount/..2026/d.yaml": configMap, "mount/..data@": "..2026", "mount/d.yaml@": "..data/d.yaml",
	})
	for path, want := range map[string][]string{
		"repo":        {"repo/..d.yaml", "repo/a.yaml", "repo/base/c.yaml", "repo/linked/b.yaml", "repo/shown/e.yaml"},
		"repo/linked": {"repo/linked/b.yaml", "repo/linked/home/..d.yaml", "repo/linked/home/a.yaml", "repo/linked/home/base/c.yaml", "repo/linked/home/shown/e.yaml"},
		"mount":       {"mount/d.yaml"},
	} {
		if diff := cmp.Diff(want, names(read([]string{path}, nil, Options{}))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// An unreadable folder does not hide the others, and reading never blocks on something that is not a file.
func TestAFolderWithWhatCannotBeRead(t *testing.T) {
	t.Chdir(t.TempDir())
	tree(t, map[string]string{"d/a/.taffrailignore/x": "", "d/a/a.yaml": configMap, "d/b/b.yaml": configMap})
	want := "d/a/.taffrailignore: error: is a directory\nd/b/b.yaml:1: v1 ConfigMap web"
	if diff := cmp.Diff(want, show(read([]string{"d"}, nil, Options{}))); diff != "" {
		t.Error(diff)
	}
}

// Facts count wherever they are in the input, so standard input is read twice, however long it is.
func TestStandardInputIsReadTwice(t *testing.T) {
	for _, size := range []int{100, maxInMemory - 10, maxInMemory + 100} {
		text := configMap + "---\n# " + strings.Repeat("x", size) + "\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: last, labels: {a: b}}}\n"
		input := Open([]string{Stdin}, io.MultiReader(strings.NewReader(text[:50]), strings.NewReader(text[50:])), Options{})
		namespace, err := input.Facts("default").Namespace(t.Context(), "last")
		if want := (decision.Namespace{Name: "last", Labels: map[string]string{"a": "b"}, Known: true}); err != nil || cmp.Diff(want, namespace) != "" {
			t.Errorf("%d bytes: got %v, %v", size, namespace, err)
		}
		for range 2 {
			if got := show(slices.Collect(input.Items())); got != "<stdin>:1: v1 ConfigMap web\n<stdin>:4: error: contains no object\n<stdin>:7: v1 Namespace last" {
				t.Errorf("%d bytes: got %s", size, got)
			}
		}
	}
}

func TestNothingIsLeftOfStandardInput(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	Open([]string{Stdin}, strings.NewReader(strings.Repeat("#\n", maxInMemory)), Options{})
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("got %v, %v", left, err)
	}
	// A container may have no writable folder.
	t.Setenv("TMPDIR", filepath.Join(dir, "missing"))
	input := Open([]string{Stdin}, strings.NewReader(strings.Repeat("#\n", maxInMemory)+configMap), Options{})
	if got := len(slices.Collect(input.Items())); got != 1 {
		t.Errorf("%d objects", got)
	}
}

// The kinds may be written in ways that a search of the text misses.
func TestFactsInDisguise(t *testing.T) {
	for _, kind := range []string{"Namespace", `"Name\u0073pace"`, "!!binary TmFtZXNwYWNl", "\"Name\\\n  space\""} {
		text := "apiVersion: v1\nkind: " + kind + "\nmetadata: {name: a}\n"
		input := Open([]string{Stdin}, strings.NewReader(text), Options{})
		if namespace, err := input.Facts("").Namespace(t.Context(), "a"); err != nil || !namespace.Known {
			t.Errorf("%s: %v, %v", kind, namespace, err)
		}
	}
	list := "apiVersion: v1\nkind: NamespaceList\nitems:\n- metadata: {name: a}\n"
	if namespace, _ := Open([]string{Stdin}, strings.NewReader(list), Options{}).Facts("").Namespace(t.Context(), "a"); !namespace.Known {
		t.Error("a Namespace in a typed List is not known")
	}
}

func TestBinary(t *testing.T) {
	for head, want := range map[string]bool{
		"a: 1\n": false, "": false, "ü": false, "\xff\xfea\x00": false, "a: \xe4\n": false, "\x1b[2J": false,
		strings.Repeat("x", sniffLen-1) + "ü"[:1]: false,
		"a: \x00": true, "\x89PNG\r\n\x1a\n\xff": true, "PK\x03\x04": true, "\x1f\x8b": true,
	} {
		if got := checkText([]byte(head)) != nil; got != want {
			t.Errorf("%.20q is binary: %t, want %t", head, got, want)
		}
	}
}
