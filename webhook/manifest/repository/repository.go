// Package repository finds the Git repository that a file is in.
package repository

import (
	"os"
	"path/filepath"
)

// Root returns the nearest folder at or above an absolute path that holds a .git, or ""
// if there is none. A worktree and a submodule have a file of that name.
func Root(path string) string {
	for {
		if _, err := os.Lstat(filepath.Join(path, ".git")); err == nil {
			return path
		}
		above := filepath.Dir(path)
		if above == path {
			return ""
		}
		path = above
	}
}
