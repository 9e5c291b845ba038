package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Outcome is the result of running the tests on a mutant.
type Outcome string

// The outcomes. A mutant that does not compile proves nothing about the tests.
const (
	Noticed     Outcome = "noticed"
	Survived    Outcome = "SURVIVED"
	NotCompiled Outcome = "does not compile"
)

// maxMemory, in KiB, ends a test whose mutant allocates endlessly before the machine runs out of memory.
const maxMemory = 6 << 20

// runner runs tests with a changed file overlaid on the tree, which is never written.
type runner struct {
	root, work string
	// limits has the timeouts of the packages' tests.
	limits map[string]time.Duration
}

// baseline runs a package's tests once without a change. They must pass, and their duration determines the
// timeout.
func (r *runner) baseline(ctx context.Context, folder string) (limit time.Duration, err error) {
	if limit, known := r.limits[folder]; known {
		return limit, nil
	}
	began := time.Now()
	if output, err := r.test(ctx, folder, "", time.Hour); err != nil {
		return 0, fmt.Errorf("%s fails without a change: %w\n%s", folder, err, output)
	}
	r.limits[folder] = time.Minute + 5*time.Since(began)
	return r.limits[folder], nil
}

// try runs the tests of folders one after another until one notices the mutant. It returns that folder.
func (r *runner) try(ctx context.Context, m *Mutant, folders []string) (Outcome, string, error) {
	overlay, err := r.overlay(m)
	if err != nil {
		return "", "", err
	}
	for _, folder := range folders {
		limit, err := r.baseline(ctx, folder)
		if err != nil {
			return "", "", err
		}
		output, err := r.test(ctx, folder, overlay, limit)
		failed := new(exec.ExitError)
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return "", "", ctx.Err()
		case !errors.As(err, &failed):
			return "", "", err
		case bytes.Contains(output, []byte("[build failed]")) || bytes.Contains(output, []byte("[setup failed]")):
			return NotCompiled, firstLine(output, ".go:"), nil
		}
		return Noticed, folder + " " + strings.TrimPrefix(firstLine(output, "--- FAIL: "), "--- FAIL: "), nil
	}
	return Survived, "", nil
}

func firstLine(output []byte, with string) string {
	for line := range strings.Lines(string(output)) {
		if strings.Contains(line, with) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// overlay writes the changed file, and the file that describes it to the go command.
func (r *runner) overlay(m *Mutant) (string, error) {
	original := filepath.Join(r.root, filepath.FromSlash(m.File))
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(r.work, "changed.go")
	if err := os.WriteFile(changed, m.Apply(source), 0o600); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(r.work, "overlay.json")
	return overlay, os.WriteFile(overlay, replace, 0o600)
}

// test runs a package's tests. On a timeout the test binary ends itself, so that its child processes end too.
func (r *runner) test(ctx context.Context, folder, overlay string, limit time.Duration) ([]byte, error) {
	args := []string{
		"test", "-vet=off", "-failfast", "-count=1", "-timeout=" + limit.String(),
		fmt.Sprintf(`-exec=bash -c 'ulimit -v %d; exec "$0" "$@"'`, maxMemory),
	}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	command := exec.CommandContext(ctx, "go", append(args, "./"+folder)...)
	command.Dir = r.root
	command.WaitDelay = 10 * time.Second // processes that tests started may keep the output open
	return command.CombinedOutput()
}
