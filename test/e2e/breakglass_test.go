//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Every command in docs/break-glass.md does what the page says, exactly as written there.
func TestBreakGlass(t *testing.T) {
	install(t, "eks")
	restoreAfterFailure(t)
	namespace(t, shop)
	enforced(t, shop)
	page := readPage(t, "break-glass.md")
	letIn := func(t *testing.T) { t.Helper(); agreed(t, "violating Pods to be let in", letsIn) }
	comeBack := func(t *testing.T) {
		t.Helper()
		page.follow(t, "One command restores the maximum mode and the webhooks")
		settled(t)
		enforced(t, shop)
	}
	down := func(t *testing.T) {
		t.Helper()
		kubectl(t, world.admin, "scale deployment/"+release+" --replicas=0 --namespace="+systemNamespace)
		agreed(t, "requests to fail", func(ctx context.Context) error {
			if err := createDry(ctx, "registry.example/app:1.0.0"); !failsClosed(err) {
				return orAdmitted(err)
			}
			return nil
		})
	}

	t.Run("One object", func(t *testing.T) {
		t.Cleanup(func() { forget(t, "exemption/incident") })
		if err := deployWithoutProbes(t.Context()); !deniedBy(err) {
			t.Fatalf("want a denial, got %v", err)
		}
		page.follow(t, "**One object.**")
		agreed(t, "it to be let in", deployWithoutProbes)
		if err := letsIn(t.Context()); !deniedBy(err) {
			t.Errorf("another object: want a denial, got %v", err)
		}
	})
	t.Run("One Guardrail", func(t *testing.T) {
		page.follow(t, "**One Guardrail.**")
		letIn(t)
		page.follow(t, "If you patched a Guardrail")
		enforced(t, shop)
	})
	t.Run("Everything", func(t *testing.T) {
		page.follow(t, "**Everything.**")
		letIn(t)
		comeBack(t)
	})
	t.Run("Fail open", func(t *testing.T) {
		down(t)
		// What users read, according to the page.
		out := exits(t, 1, world.alice, nil, "run web --image=registry.example/app:1.0.0 --dry-run=server --namespace="+shop)
		must(t, counts(out, page.between("Users see `", "`")))
		page.follow(t, "**Look**")
		page.follow(t, "**Fail open.**")
		letIn(t)
		// Labels of namespaces can be changed again, too.
		kubectl(t, world.admin, "label namespace "+shop+" open=yes")
		comeBack(t)
	})
	t.Run("Switch it off", func(t *testing.T) {
		down(t)
		page.follow(t, "**Switch it off.**")
		unregistered(t)
		letIn(t)
		selfTestFails(t)
		comeBack(t)
		page.follow(t, "If Taffrail was unavailable")
	})
}

// selfTestFails requires helm test to report that the API server does not call Taffrail.
func selfTestFails(t *testing.T) {
	t.Helper()
	// A failed test Pod is kept for its log, so this test has to delete it.
	const name = release + "-selftest"
	t.Cleanup(func() {
		inside := " --namespace=" + systemNamespace
		forget(t, "pod/"+name+inside, "serviceaccount/"+name+inside, "clusterrole/"+name, "clusterrolebinding/"+name)
	})
	out, err := world.helm(t.Context(), "test", release, "--namespace="+systemNamespace, "--logs")
	must(t, err)
	if out.code == 0 {
		t.Errorf("helm test succeeds with nobody to ask:\n%s", out.text)
	}
	if err := counts(out.text, "did not call Taffrail"); err != nil {
		t.Error(err)
	}
}

// page is a page of the chart's documentation.
type page string

func readPage(t *testing.T, name string) page {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(chartFolder(), "docs", name))
	must(t, err)
	return page(content)
}

// between returns the text between two strings.
func (p page) between(before, after string) string {
	_, rest, _ := strings.Cut(string(p), before)
	found, _, _ := strings.Cut(rest, after)
	return found
}

var aDay = regexp.MustCompile(`\b20\d\d-\d\d-\d\d\b`)

// follow runs the commands after a heading, in the repository, and requires them to succeed. It moves dates in
// the page into the future.
func (p page) follow(t *testing.T, words string) string {
	t.Helper()
	_, after, found := strings.Cut(string(p), words)
	_, after, fenced := strings.Cut(after, "\n```\n")
	commands, _, closed := strings.Cut(after, "\n```\n")
	if !found || !fenced || !closed {
		t.Fatalf("the page has no commands after %q", words)
	}
	commands = aDay.ReplaceAllString(commands, time.Now().AddDate(0, 0, 7).Format(time.DateOnly))
	ctx, cancel := context.WithTimeout(t.Context(), slowest)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", commands)
	command.Dir = world.root
	programs := t.TempDir()
	for name, program := range map[string]string{"kubectl": world.kubectlProgram, "helm": world.helmProgram} {
		must(t, os.Symlink(program, filepath.Join(programs, name)))
	}
	command.Env = []string{
		"PATH=" + programs + ":" + os.Getenv("PATH"), "HOME=" + world.dir, "KUBECONFIG=" + world.admin.kubeconfig, "LANG=C",
	}
	out, err := finished(ctx, command)
	must(t, err)
	if out.code != 0 {
		t.Fatalf("%s\nended with %d:\n%s", commands, out.code, out.text)
	}
	return out.text
}

// deployWithoutProbes creates a Deployment without probes in the shop as Alice, as a dry run.
func deployWithoutProbes(ctx context.Context) error {
	deployment := goodDeployment("web", "registry.example/app:1.0.0")
	container := &deployment.Spec.Template.Spec.Containers[0]
	container.ReadinessProbe, container.LivenessProbe = nil, nil
	_, err := world.alice.client.AppsV1().Deployments(shop).Create(ctx, deployment, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return fmt.Errorf("without probes: %w", err)
	}
	return nil
}
