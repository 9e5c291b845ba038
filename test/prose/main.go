// Command prose reports phrases that the project's texts avoid, and what to write instead. phrases.yaml lists them.
//
//	go run ./test/prose          checks the texts below the working directory
package main

import (
	_ "embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed phrases.yaml
var phrases []byte

func main() {
	found, err := run(os.DirFS("."), os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	case found > 0:
		fmt.Fprintf(os.Stderr, "%d phrases to rewrite; test/prose/phrases.yaml lists them all\n", found)
		os.Exit(1)
	}
}

// run checks every text of a tree, writes a line for each finding, and returns the number of lines.
func run(tree fs.FS, out io.Writer) (found int, err error) {
	list, err := parse(phrases)
	if err != nil {
		return 0, fmt.Errorf("phrases.yaml: %w", err)
	}
	findings, err := list.check(tree)
	if err != nil {
		return 0, err
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(out, f); err != nil {
			return 0, err
		}
	}
	return len(findings), nil
}

// check returns the findings of every text of a tree, in the order of its paths, and one for each exemption that hides
// nothing.
func (l *list) check(tree fs.FS) ([]finding, error) {
	var all []finding
	hidden := make([]bool, len(l.Exempt))
	err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != "." && (strings.HasPrefix(entry.Name(), ".") || path == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		extract := extractorOf(path)
		if extract == nil {
			return nil
		}
		content, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		found := l.find(path, extract(string(content)))
		if exempt := l.exemption(path); exempt >= 0 {
			hidden[exempt] = hidden[exempt] || len(found) > 0
			return nil
		}
		all = append(all, found...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, used := range hidden {
		if !used {
			all = append(all, finding{path: "test/prose/phrases.yaml", text: l.Exempt[i].Path, write: "nothing: it no longer exempts a phrase"})
		}
	}
	return all, nil
}

// extractorOf returns the function that extracts the prose of a file, or nil if the file has none.
func extractorOf(path string) func(string) string {
	chart := strings.HasPrefix(path, "charts/")
	switch filepath.Ext(path) {
	case ".md":
		return markdown
	case ".go":
		return goText
	case ".rego":
		return rego
	case ".txt", ".tpl", ".yaml":
		if chart {
			return whole
		}
	}
	return nil
}
