package harness

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// auditorName is the user that the auditors are.
const auditorName = "taffrail-audit"

// AuditorOptions configures an Auditor.
type AuditorOptions struct {
	// Name identifies the process in logs.
	Name string
	// Args are further arguments.
	Args []string
}

// Auditor is a process of `taffrail serve audit`. After Stop or Kill it can be started again.
type Auditor struct {
	options    AuditorOptions
	harness    *Harness
	kubeconfig string
	metrics    int
	process    *process
}

// NewAuditor starts an auditor and waits until it is ready. Of several, one audits.
func (h *Harness) NewAuditor(ctx context.Context, o AuditorOptions) (*Auditor, error) {
	user, err := h.addUser(auditorName)
	if err != nil {
		return nil, err
	}
	a := &Auditor{options: o, harness: h, kubeconfig: user.kubeconfigFile}
	if a.metrics, err = freePort(ctx); err != nil {
		return nil, err
	}
	return a, a.Start(ctx)
}

// Start starts the process, and returns when it is ready.
func (a *Auditor) Start(ctx context.Context) error {
	args := append([]string{
		"serve", "audit", "--kubeconfig=" + a.kubeconfig, "--metrics-bind-address=" + address(a.metrics), "--leader-elect", "--namespace=" + SystemNamespace,
		"--log-level=debug",
	}, a.options.Args...)
	var err error
	if a.process, err = a.harness.run(ctx, "auditor-"+a.options.Name, a.harness.Binary, args...); err != nil {
		return err
	}
	return a.process.await(ctx, func(ctx context.Context) error {
		asking := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		return ask(ctx, asking, "http://"+address(a.metrics)+"/readyz")
	})
}

// Stop asks the auditor to end.
func (a *Auditor) Stop() error {
	if err := a.process.stop(); err != nil {
		return err
	}
	if a.process.err != nil {
		return fmt.Errorf("%s: %w\n%s", a.process.name, a.process.err, tail(a.process.logFile, 30))
	}
	return nil
}

// Kill ends the auditor immediately, as a crash would.
func (a *Auditor) Kill() error { return a.process.kill() }

// Metric returns the value of a metric with the labels as it is served, and whether it is served.
func (a *Auditor) Metric(ctx context.Context, series string) (value float64, served bool, err error) {
	text, err := read(ctx, http.DefaultClient, "http://"+address(a.metrics)+"/metrics")
	if err != nil {
		return 0, false, err
	}
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, series+" "); found {
			_, err := fmt.Sscan(rest, &value)
			return value, true, err
		}
	}
	return 0, false, nil
}

// InstallOpenReports installs the CRDs of the reports.
func (h *Harness) InstallOpenReports() error {
	_, err := envtest.InstallCRDs(h.Admin.Config, envtest.CRDInstallOptions{
		Paths: []string{filepath.Join(h.Root, "charts", "taffrail", "files", "openreports")}, ErrorIfPathMissing: true, MaxTime: time.Minute,
	})
	return err
}

// PeakRSS returns the largest resident set of the process so far, in bytes.
func (a *Auditor) PeakRSS() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.process.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			var kilobytes int64
			_, err := fmt.Sscan(rest, &kilobytes)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in %s", text)
}
