package main

import (
	"os"
	"strings"
	"testing"
)

const unready = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: registry.example/web:1.0.0
    ports: [{containerPort: 80}]
    readinessProbe: {tcpSocket: {port: 80}}
    livenessProbe: {tcpSocket: {port: 80}}
`

const hook = `    lifecycle:
      preStop:
        sleep:
          seconds: 5
`

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFixFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, ".", map[string]string{
		"d/pod.yaml":    unready,
		"d/fine.yaml":   unready + hook,
		"d/broken.yaml": unready + "---\nkind: [\n",
		"target":        strings.ReplaceAll(unready, "\n", "\r\n"),
	})
	if err := os.Chmod("d/pod.yaml", 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../target", "d/link.yaml"); err != nil {
		t.Fatal(err)
	}
	fine, err := os.Stat("d/fine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if exit, stdout, _ := execute(strings.NewReader(""), "fix", "--diff", "d"); exit != exitError || !strings.Contains(stdout, "+        sleep:\n") {
		t.Errorf("exit code %d\n%s", exit, stdout)
	}
	if read(t, "d/pod.yaml") != unready {
		t.Error("--diff writes")
	}
	exit, stdout, stderr := execute(strings.NewReader(""), "fix", "d")
	if exit != exitError || stdout != "" || !strings.Contains(stderr, "error: d/broken.yaml:12: is not valid YAML") {
		t.Errorf("exit code %d\n%s\n%s", exit, stdout, stderr)
	}
	for path, want := range map[string]string{
		"d/pod.yaml":    unready + hook,
		"d/fine.yaml":   unready + hook,
		"d/broken.yaml": unready + "---\nkind: [\n",
		"target":        strings.ReplaceAll(unready+hook, "\n", "\r\n"),
	} {
		if got := read(t, path); got != want {
			t.Errorf("%s:\n%q", path, got)
		}
	}
	if info, err := os.Stat("d/pod.yaml"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode of the file has changed: %v, %v", info, err)
	}
	if info, err := os.Lstat("d/link.yaml"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link has become a file: %v", err)
	}
	if info, err := os.Stat("d/fine.yaml"); err != nil || !os.SameFile(info, fine) {
		t.Errorf("a file without anything to fix was written: %v", err)
	}
	entries, err := os.ReadDir("d")
	if err != nil || len(entries) != 4 {
		t.Errorf("something was left behind: %v, %v", entries, err)
	}
	if err := os.Remove("d/broken.yaml"); err != nil {
		t.Fatal(err)
	}
	if exit, stdout, stderr := execute(strings.NewReader(""), "fix", "d"); exit != exitClean || stdout != "" || strings.Contains(stderr, "fixed:") {
		t.Errorf("the second time: exit code %d\n%s%s", exit, stdout, stderr)
	}
}

// The fix of a Secret prints the user's own file on standard output, and its values nowhere else.
func TestFixTellsNoSecret(t *testing.T) {
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: " + secretValue + "}\n"
	_, stdout, stderr := execute(strings.NewReader(secret), "fix", "-")
	if stdout != secret {
		t.Errorf("got %q", stdout)
	}
	if stderr == "" || strings.Contains(stderr, secretValue) {
		t.Errorf("a value is printed, or nothing at all: %s", stderr)
	}
	for _, broken := range []string{secret + "a: [", secret + "data: 5\n", secret + "---\nstringData: {password: " + secretValue + "}\n"} {
		exit, stdout, stderr := execute(strings.NewReader(broken), "fix", "--diff", "-")
		if exit != exitError || strings.Contains(stdout+stderr, secretValue) {
			t.Errorf("exit code %d\n%s%s", exit, stdout, stderr)
		}
	}
}
