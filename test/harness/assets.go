package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const howTo = `run through make, or: KUBEBUILDER_ASSETS="$(test/controlplane/assets.sh)" go test ./test/integration/...`

// assets returns the folder of the control plane's programs. A missing folder is an error and not a reason to
// skip: a suite that skips itself proves nothing.
func assets() (string, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		return "", fmt.Errorf("KUBEBUILDER_ASSETS is not set: %s", howTo)
	}
	for _, program := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"} {
		// With an absolute path, LookPath only checks that the file is executable.
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return "", fmt.Errorf("KUBEBUILDER_ASSETS=%s has no %s: %s", dir, program, howTo)
		}
	}
	return filepath.Abs(dir)
}

// Root returns the folder of Taffrail's module.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("not inside Taffrail's module: run this from the repository")
	}
	return filepath.Dir(file), nil
}

// build builds Taffrail's binary. With a warm build cache this only links.
func build(ctx context.Context, root, into string) (string, error) {
	binary := filepath.Join(into, "taffrail")
	// Use the same settings as everywhere else, because other settings do not share the cache.
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "./cmd/taffrail")
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building taffrail: %w\n%s", err, out)
	}
	return binary, nil
}

// Watch reads every folder that the binary may be built from, because go test does not see what a program
// depends on that a test builds, and would return a cached result after the server has changed. It must be
// called by a test: what TestMain reads before the tests is not recorded.
func Watch(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || path == filepath.Join(root, "bin")) {
			return fs.SkipDir
		}
		return err
	})
}
