package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Files has the files in kubectl's working directory, by name.
type Files map[string][]byte

// Printed is the output of one command.
type Printed struct {
	// Output is the interleaved standard output and standard error.
	Output   string
	ExitCode int
}

// Kubectl runs the real kubectl as a user, isolated from this machine's settings. A failing command is not an
// error, because tests also check failures.
func (h *Harness) Kubectl(ctx context.Context, user *User, args ...string) (*Printed, error) {
	return h.KubectlWith(ctx, user, nil, nil, args...)
}

// KubectlWith is Kubectl with files in the working directory, and with standard input. Relative file names are
// printed as given, so the output is reproducible.
func (h *Harness) KubectlWith(ctx context.Context, user *User, files Files, stdin []byte, args ...string) (*Printed, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dir, err := os.MkdirTemp(h.Dir, "kubectl-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is in a folder that Stop removes
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	command := exec.CommandContext(ctx, filepath.Join(h.Programs, "kubectl"), args...)
	command.Dir, command.Stdin = dir, bytes.NewReader(stdin)
	// A single writer for both preserves their order.
	command.Stdout, command.Stderr = &out, &out
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), // for `kubectl diff`, which runs diff
		"HOME=" + dir,
		"KUBECONFIG=" + user.kubeconfigFile,
		"KUBECACHEDIR=" + h.path("kubectl-cache"),
		"KUBECTL_KUBERC=false",
		"LANG=C",
	}
	err = command.Run()
	failed := (*exec.ExitError)(nil)
	if err != nil && (ctx.Err() != nil || !errors.As(err, &failed) || !failed.Exited()) {
		return nil, fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), errors.Join(err, context.Cause(ctx)), out.Bytes())
	}
	return &Printed{Output: out.String(), ExitCode: command.ProcessState.ExitCode()}, nil
}
