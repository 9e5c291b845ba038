package repository

import (
	"os"
	"path/filepath"
	"strings"
)

// Finder names files by their path in their repository. A nil Finder finds no repository.
type Finder struct {
	// root is the repository of the working folder, empty if there is none.
	root string
	// roots caches the repositories of other folders, by folder.
	roots map[string]string
}

// NewFinder returns a Finder for the working folder.
func NewFinder() *Finder {
	f := &Finder{roots: map[string]string{}}
	if folder, err := os.Getwd(); err == nil {
		f.root = Root(folder)
	}
	return f
}

// IsInside reports whether the working folder is in a repository.
func (f *Finder) IsInside() bool { return f != nil && f.root != "" }

// Relative returns the path of a file in the repository of the working folder or, if there is
// none, in the file's own repository. The path has forward slashes. ok is false if the file is
// outside of the repository.
func (f *Finder) Relative(file string) (path string, ok bool) {
	if f == nil {
		return "", false
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return "", false
	}
	root := f.root
	if root == "" {
		root = f.rootOf(filepath.Dir(file))
	}
	if root == "" {
		return "", false
	}
	path, err = filepath.Rel(root, file)
	path = filepath.ToSlash(path)
	return path, err == nil && path != ".." && !strings.HasPrefix(path, "../")
}

func (f *Finder) rootOf(folder string) string {
	root, found := f.roots[folder]
	if !found {
		root = Root(folder)
		f.roots[folder] = root
	}
	return root
}
