// Package chart renders charts/taffrail with the helm program. Its tests compare the result with what the rest
// of Taffrail expects: the API types, the webhook configurations and permissions of the integration tests, and
// the metrics of the binary.
package chart

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// KubeVersion is the Kubernetes version to render for if there is no cluster.
const KubeVersion = "1.37.2"

// Helm is the helm program in one version.
type Helm struct {
	// Version is 3 or 4.
	Version int
	path    string
	chart   string
}

// Build builds the helm program from the module that pins it. The program is cached in the user's cache
// directory, keyed by its sources. root is the folder of Taffrail's module.
func Build(ctx context.Context, root string, version int) (*Helm, error) {
	tool := filepath.Join(root, "test", "tools", map[int]string{3: "helm3", 4: "helm"}[version])
	h := &Helm{Version: version, chart: filepath.Join(root, "charts", "taffrail")}
	flags := linkerFlags(version)
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(tool, name))
		if err != nil {
			return nil, err
		}
		sum.Write(content)
	}
	sum.Write([]byte(strings.Join([]string{runtime.Version(), runtime.GOOS, runtime.GOARCH, flags}, "\n")))
	cache := os.Getenv("TAFFRAIL_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		cache = filepath.Join(user, "taffrail")
	}
	h.path = filepath.Join(cache, "helm", fmt.Sprintf("%x", sum.Sum(nil))[:12], "helm")
	if _, err := os.Stat(h.path); err == nil {
		return h, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// Build in another folder and rename, because other tests may build the same program concurrently.
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(filepath.Dir(h.path), "new-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	made := filepath.Join(work, "helm")
	command := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", flags,
		"-o", made, fmt.Sprintf("helm.sh/helm/v%d/cmd/helm", version))
	command.Dir = tool
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building helm %d: %w\n%s", version, err, out)
	}
	return h, os.Rename(made, h.path)
}

// Path returns the path of the program, to run it against a cluster.
func (h *Helm) Path() string { return h.path }

// linkerFlags sets the Kubernetes version that helm 3 supports, as its releases do. helm 4 reads it from its
// modules.
func linkerFlags(version int) string {
	flags := []string{"-s", "-w"}
	if version == 3 {
		major, rest, _ := strings.Cut(KubeVersion, ".")
		minor, _, _ := strings.Cut(rest, ".")
		for _, name := range []string{"helm.sh/helm/v3/pkg/lint/rules", "helm.sh/helm/v3/pkg/chartutil"} {
			flags = append(flags, "-X", name+".k8sVersionMajor="+major, "-X", name+".k8sVersionMinor="+minor)
		}
	}
	return strings.Join(flags, " ")
}

// Release describes what to render.
type Release struct {
	// Name and Namespace of the release.
	Name, Namespace string
	// Presets lists values files of the chart, such as eks for values-eks.yaml.
	Presets []string
	// Set lists single values in the syntax of --set.
	Set []string
	// Values has further values, in YAML.
	Values string
}

// Template renders the chart, including hooks and tests but not the CRDs. An error contains helm's output.
func (h *Helm) Template(ctx context.Context, r Release) ([]byte, error) {
	return h.run(ctx, r.Values, r.arguments("template", r.Name, h.chart)...)
}

// Notes returns the notes that are printed after an installation. Helm 3 needs a cluster to print them.
func (h *Helm) Notes(ctx context.Context, r Release) (string, error) {
	out, err := h.run(ctx, r.Values, r.arguments("install", r.Name, h.chart, "--dry-run=client")...)
	if err != nil {
		return "", err
	}
	_, notes, found := strings.Cut(string(out), "\nNOTES:\n")
	if !found {
		return "", errors.New("helm install printed no notes")
	}
	return notes, nil
}

// Lint checks the chart, and treats warnings as errors.
func (h *Helm) Lint(ctx context.Context, r Release) error {
	_, err := h.run(ctx, r.Values, r.arguments("lint", h.chart, "--strict", "--kube-version="+KubeVersion)...)
	return err
}

func (r Release) arguments(command ...string) []string {
	if command[0] == "template" {
		command = append(command, "--kube-version="+KubeVersion)
	}
	for _, preset := range r.Presets {
		command = append(command, "--values=values-"+preset+".yaml")
	}
	for _, value := range r.Set {
		command = append(command, "--set="+value)
	}
	if r.Values != "" {
		command = append(command, "--values=-")
	}
	return append(command, "--namespace="+r.Namespace)
}

// run runs helm in the folder of the chart, isolated from the user's configuration.
func (h *Helm) run(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	home, err := os.MkdirTemp("", "taffrail-helm-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(home) }()
	command := exec.CommandContext(ctx, h.path, args...)
	command.Dir = h.chart
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home,
		"KUBECONFIG="+filepath.Join(home, "none"))
	command.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, &Error{Arguments: args, Text: stderr.String() + lintText(args, out), Err: err}
	}
	return out, nil
}

// lintText returns the findings in the output of helm lint.
func lintText(args []string, out []byte) string {
	if args[0] == "lint" {
		return string(out)
	}
	return ""
}

// Error is returned when helm fails.
type Error struct {
	Arguments []string
	// Text is helm's message.
	Text string
	Err  error
}

func (e *Error) Error() string {
	return fmt.Sprintf("helm %s: %v\n%s", strings.Join(e.Arguments, " "), e.Err, e.Text)
}

// Unwrap returns the error of the process.
func (e *Error) Unwrap() error { return e.Err }
