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

// slowest is how long one command may take: more than any does.
const slowest = 5 * time.Minute

// printed is what a person sees of one command.
type printed struct {
	// text is what it wrote to its standard output and error, in the order it came in.
	text string
	code int
}

// output runs a program of this machine and returns what it printed, trimmed.
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

// finished runs a command to its end. That it fails is no error: people are to see how.
func finished(ctx context.Context, command *exec.Cmd) (printed, error) {
	var out bytes.Buffer
	// One writer for both keeps their order.
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	failed := (*exec.ExitError)(nil)
	if err != nil && (ctx.Err() != nil || !errors.As(err, &failed) || !failed.Exited()) {
		return printed{text: out.String()}, fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), errors.Join(err, context.Cause(ctx)), out.Bytes())
	}
	return printed{text: out.String(), code: command.ProcessState.ExitCode()}, nil
}

// kubectl runs kubectl as a user. The line is split at its spaces; more arguments may follow.
func (e *environment) kubectl(ctx context.Context, as *user, line string, more ...string) (printed, error) {
	return e.kubectlReading(ctx, as, nil, line, more...)
}

// kubectlReading is kubectl with something on its standard input.
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

// kubectl runs kubectl and wants it to succeed.
func kubectl(t *testing.T, as *user, line string, more ...string) string {
	t.Helper()
	return exits(t, 0, as, nil, line, more...)
}

// apply applies a manifest and wants that to succeed.
func apply(t *testing.T, as *user, manifest, line string) string {
	t.Helper()
	return exits(t, 0, as, []byte(manifest), "apply -f - "+line)
}

// exits runs kubectl and wants it to end with a code.
func exits(t *testing.T, code int, as *user, stdin []byte, line string, more ...string) string {
	t.Helper()
	out, err := world.kubectlReading(context.WithoutCancel(t.Context()), as, stdin, line, more...)
	must(t, err)
	if out.code != code {
		t.Fatalf("kubectl %s %s, as %s, ended with %d:\n%s", line, strings.Join(more, " "), as.name, out.code, out.text)
	}
	return out.text
}

// helm runs helm and wants it to succeed.
func helm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := world.helm(context.WithoutCancel(t.Context()), args...)
	must(t, err)
	if out.code != 0 {
		t.Fatalf("helm %s ended with %d:\n%s", strings.Join(args, " "), out.code, out.text)
	}
	return out.text
}
