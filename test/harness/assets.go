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

// assets is the folder of the control plane's programs. That it is missing is an error
// and no reason to skip: a suite that skips itself shows nothing.
func assets() (string, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		return "", fmt.Errorf("KUBEBUILDER_ASSETS is not set: %s", howTo)
	}
	for _, program := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"} {
		// An absolute path: LookPath then only asks whether it can be run.
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return "", fmt.Errorf("KUBEBUILDER_ASSETS=%s has no %s: %s", dir, program, howTo)
		}
	}
	return filepath.Abs(dir)
}

// Root is the folder of Taffrail's module.
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

// build makes Taffrail's binary. Go's build cache makes it a matter of linking.
func build(ctx context.Context, root, into string) (string, error) {
	binary := filepath.Join(into, "taffrail")
	// The same settings as everywhere else: builds with others share no cache.
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "./cmd/taffrail")
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building taffrail: %w\n%s", err, out)
	}
	return binary, nil
}

// Watch reads every folder that the binary may be made of, for go test's sake: it knows
// what a test links and reads, but not what a program is made of that the test builds,
// and would answer from its cache after the server has changed. It has to be called by
// a test: what TestMain reads before them is not recorded.
func Watch(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || path == filepath.Join(root, "bin")) {
			return fs.SkipDir
		}
		return err
	})
}
