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

// Files are what kubectl finds in the folder that it runs in, by their names.
type Files map[string][]byte

// Printed is what a person sees of one command.
type Printed struct {
	// Output is what it wrote to its standard output and error, in the order it came in.
	Output   string
	ExitCode int
}

// Kubectl runs the real kubectl as a user. That it fails is no error: people are to see
// how. It knows nothing of this machine, and nobody's settings but the user's.
func (h *Harness) Kubectl(ctx context.Context, user *User, args ...string) (*Printed, error) {
	return h.KubectlWith(ctx, user, nil, nil, args...)
}

// KubectlWith is Kubectl in a folder that holds files, and with something to read on its
// standard input. Relative names are printed as they are given, and so the same each time.
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
	// One writer for both keeps their order.
	command.Stdout, command.Stderr = &out, &out
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), // `kubectl diff` runs diff.
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
