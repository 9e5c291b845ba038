// Package repository finds the Git repository that contains a file.
package repository

import (
	"os"
	"path/filepath"
)

// Root returns the nearest folder at or above an absolute path that contains .git, or "" if there
// is none. In a worktree or submodule .git is a file.
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
