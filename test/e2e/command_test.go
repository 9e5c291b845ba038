//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slowest limits the time of one command. It is more than any command takes.
const slowest = 5 * time.Minute

// printed is the output of one command.
type printed struct {
	// text is the interleaved standard output and standard error.
	text string
	code int
}

// output runs a local program and returns its output, trimmed.
func output(ctx context.Context, program string, args ...string) (string, error) {
	var complaints bytes.Buffer
	command := exec.CommandContext(ctx, program, args...)
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, complaints.Bytes())
	}
	return strings.TrimSpace(string(out)), err
}

// finished runs a command to its end. A failing command is not an error, because tests also check failures.
func finished(ctx context.Context, command *exec.Cmd) (printed, error) {
	var out bytes.Buffer
	// A single writer for both preserves their order.
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	failed := (*exec.ExitError)(nil)
	if err != nil && (ctx.Err() != nil || !errors.As(err, &failed) || !failed.Exited()) {
		return printed{text: out.String()}, fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), errors.Join(err, context.Cause(ctx)), out.Bytes())
	}
	return printed{text: out.String(), code: command.ProcessState.ExitCode()}, nil
}

// kubectl runs kubectl as a user. The line is split at spaces; further arguments are passed unchanged.
func (e *environment) kubectl(ctx context.Context, as *user, line string, more ...string) (printed, error) {
	return e.kubectlReading(ctx, as, nil, line, more...)
}

// kubectlReading is kubectl with standard input.
func (e *environment) kubectlReading(ctx context.Context, as *user, stdin []byte, line string, more ...string) (printed, error) {
	ctx, cancel := context.WithTimeout(ctx, slowest)
	defer cancel()
	command := exec.CommandContext(ctx, e.kubectlProgram, append(strings.Fields(line), more...)...)
	command.Dir, command.Stdin = e.dir, bytes.NewReader(stdin)
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + e.dir, "KUBECONFIG=" + as.kubeconfig,
		"KUBECTL_KUBERC=false", "LANG=C",
	}
	return finished(ctx, command)
}

// helm runs helm as the administrator.
func (e *environment) helm(ctx context.Context, args ...string) (printed, error) {
	ctx, cancel := context.WithTimeout(ctx, slowest)
	defer cancel()
	command := exec.CommandContext(ctx, e.helmProgram, args...)
	command.Dir = e.dir
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + e.dir, "KUBECONFIG=" + e.admin.kubeconfig, "LANG=C"}
	return finished(ctx, command)
}

// kubectl runs kubectl, which must succeed.
func kubectl(t *testing.T, as *user, line string, more ...string) string {
	t.Helper()
	return exits(t, 0, as, nil, line, more...)
}

// apply applies a manifest, which must succeed.
func apply(t *testing.T, as *user, manifest, line string) string {
	t.Helper()
	return exits(t, 0, as, []byte(manifest), "apply -f - "+line)
}

// exits runs kubectl, which must exit with the given code.
func exits(t *testing.T, code int, as *user, stdin []byte, line string, more ...string) string {
	t.Helper()
	out, err := world.kubectlReading(context.WithoutCancel(t.Context()), as, stdin, line, more...)
	must(t, err)
	if out.code != code {
		t.Fatalf("kubectl %s %s, as %s, ended with %d:\n%s", line, strings.Join(more, " "), as.name, out.code, out.text)
	}
	return out.text
}

// helm runs helm, which must succeed.
func helm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := world.helm(context.WithoutCancel(t.Context()), args...)
	must(t, err)
	if out.code != 0 {
		t.Fatalf("helm %s ended with %d:\n%s", strings.Join(args, " "), out.code, out.text)
	}
	return out.text
}
