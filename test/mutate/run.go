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

// Outcome is what the tests make of a mutant.
type Outcome string

// The outcomes. A mutant that does not compile tells nothing of the tests.
const (
	Noticed     Outcome = "noticed"
	Survived    Outcome = "SURVIVED"
	NotCompiled Outcome = "does not compile"
)

// maxMemory, in KiB, ends a test whose mutant allocates without end before the machine does.
const maxMemory = 6 << 20

// runner runs tests with a changed file in the place of one of the tree, which is never
// written.
type runner struct {
	root, work string
	// limits is how long the tests of a package may take.
	limits map[string]time.Duration
}

// baseline runs a package's tests without any change, once: they must pass, and their time is
// the measure for those that do not end.
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

// try runs the tests of folders one after the other until one notices the mutant, and returns
// which did.
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

// overlay writes the changed file, and the file that tells the go command about it.
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

// test runs a package's tests. Tests that do not end are ended by the test binary, so that
// its children end as well.
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
	command.WaitDelay = 10 * time.Second // what the tests have started may keep the output open
	return command.CombinedOutput()
}
