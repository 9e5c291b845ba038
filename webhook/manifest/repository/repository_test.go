package repository

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRelative(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"repo/.git", "repo/deploy/prod", "repo/vendored/.git", "plain/deploy"} {
		if err := os.MkdirAll(filepath.Join(base, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A worktree has a file instead of a folder.
	if err := os.WriteFile(filepath.Join(base, "plain", "deploy", ".git"), []byte("gitdir: /x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ folder, file, want string }{
		{"repo", "deploy/a.yaml", "deploy/a.yaml"},
		{"repo/deploy", "a.yaml", "deploy/a.yaml"},
		{"repo/deploy/prod", "./../a.yaml", "deploy/a.yaml"},
		{"repo/deploy/prod", "../../a.yaml", "a.yaml"},
		{"repo/deploy", filepath.Join(base, "repo", "b", "a.yaml"), "b/a.yaml"},
		{"repo/deploy", "..a.yaml", "deploy/..a.yaml"},
		{"repo", "vendored/a.yaml", "vendored/a.yaml"},
		{"repo/vendored", "a.yaml", "a.yaml"},
		{"repo/vendored", "../a.yaml", ""},
		{"repo", "../plain/deploy/a.yaml", ""},
		{"plain", "a.yaml", ""},
		{"plain", "deploy/b/a.yaml", "b/a.yaml"},
		{"plain", filepath.Join(base, "repo", "deploy", "a.yaml"), "deploy/a.yaml"},
	}
	for _, test := range tests {
		t.Chdir(filepath.Join(base, test.folder))
		got, ok := NewFinder().Relative(test.file)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s in %s: got %q, %t, want %q", test.file, test.folder, got, ok, test.want)
		}
	}
	if path, ok := (*Finder)(nil).Relative("a.yaml"); ok {
		t.Errorf("nobody knows of a repository, got %q", path)
	}
}
