// Package corpus has what fuzz targets share: the objects in the repository as seeds, and checks of the
// results.
package corpus

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/yamldoc"
)

// Objects returns the objects of the policies' cases, including old ones, and of the chapter's manifests. root
// is the root of the repository. Calls share nothing.
func Objects(tb testing.TB, root string) []map[string]any {
	tb.Helper()
	objects := append(cases(tb), chapter(tb, root)...)
	if len(objects) == 0 {
		tb.Fatal("there are no cases and no manifests")
	}
	return objects
}

func cases(tb testing.TB) (objects []map[string]any) {
	tb.Helper()
	err := fs.WalkDir(policies.FS, ".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(file) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(policies.FS, file)
		if err != nil {
			return err
		}
		for _, c := range documents(tb, file, text) {
			for _, field := range []string{"object", "oldObject"} {
				if object, ok := c[field].(map[string]any); ok {
					objects = append(objects, object)
				}
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return objects
}

func chapter(tb testing.TB, root string) (objects []map[string]any) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(root, "test/testdata/chapter/*.yaml*"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		filled := os.Expand(string(text), func(name string) string {
			return strings.ReplaceAll(strings.ToLower(name), "_", "-") + ".example"
		})
		objects = append(objects, documents(tb, file, []byte(filled))...)
	}
	return objects
}

func documents(tb testing.TB, file string, text []byte) (all []map[string]any) {
	tb.Helper()
	for _, chunk := range yamldoc.Split(bytes.TrimSpace(text)) {
		parsed, err := yamldoc.Parse(chunk)
		if err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		object, ok := parsed.Value.(map[string]any)
		if !ok {
			tb.Fatalf("%s: is not a map", file)
		}
		all = append(all, object)
	}
	return all
}
