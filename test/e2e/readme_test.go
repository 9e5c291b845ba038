//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README leads from nothing to enforcement. Its commands run as written, except those that create the image
// and the cluster, which exist already.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(world.root, "README.md"))
	must(t, err)
	_, install, found := strings.Cut(string(text), "\n## Install\n")
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindStringSubmatch(install)
	if !found || block == nil {
		t.Fatal("no commands were found under Install")
	}
	fresh := func() {
		removeEverything(t)
		kubectl(t, world.admin, "delete namespace --ignore-not-found "+shop)
	}
	fresh()
	t.Cleanup(fresh)
	run := 0
	for line := range strings.Lines(block[1]) {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "make image"), strings.HasPrefix(line, "kind "):
			continue
		}
		run++
		out := shell(t, line)
		t.Logf("$ %s\n%s", line, out.text)
		switch {
		case strings.HasPrefix(line, "kubectl create deployment web"):
			expect(t, line, out, 0, "deployment.apps/web created")
			if strings.Contains(out.text, "Warning") {
				t.Errorf("audit has something to say: %s", out.text)
			}
		case strings.HasPrefix(line, "kubectl create deployment second"):
			expect(t, line, out, 0, "Warning: image-tag", "deployment.apps/second created")
		case strings.HasPrefix(line, "kubectl create deployment third"):
			expect(t, line, out, 1, "Deployment shop/third is denied by")
		default:
			expect(t, line, out, 0)
		}
	}
	if run < 9 {
		t.Errorf("only %d commands were run", run)
	}
}

// shell runs a line as a user types it, in the folder of the README.
func shell(t *testing.T, line string) printed {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), slowest)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-c", line)
	command.Dir = world.root
	programs := filepath.Dir(world.helmProgram) + ":" + filepath.Dir(world.kubectlProgram)
	command.Env = []string{"PATH=" + programs + ":" + os.Getenv("PATH"), "HOME=" + world.dir, "KUBECONFIG=" + world.admin.kubeconfig, "LANG=C"}
	out, err := finished(ctx, command)
	must(t, err)
	return out
}

func expect(t *testing.T, line string, out printed, code int, words ...string) {
	t.Helper()
	if out.code != code {
		t.Fatalf("%s ended with %d:\n%s", line, out.code, out.text)
	}
	for _, want := range words {
		if !strings.Contains(out.text, want) {
			t.Errorf("%s does not print %q:\n%s", line, want, out.text)
		}
	}
}
