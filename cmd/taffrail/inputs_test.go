package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// A job without piped input reads from the null device.
func TestNothingToRead(t *testing.T) {
	for _, command := range []string{"check", "fix"} {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		exit, stdout, stderr := execute(null, command)
		if err := null.Close(); err != nil {
			t.Fatal(err)
		}
		if exit != exitError || stdout != "" || !strings.Contains(stderr, "nothing to "+command+": name files or folders, or pipe in manifests") {
			t.Errorf("exit code %d: %s%s", exit, stdout, stderr)
		}
	}
}

// The file that a shell creates for <(…) can be read only once, and facts are read first.
func TestAPipeThatIsNamed(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := writer.WriteString("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	path := "/dev/fd/" + strconv.Itoa(int(reader.Fd()))
	if exit, stdout, stderr := execute(strings.NewReader(""), "check", path); exit != exitClean || !strings.HasPrefix(stdout, "1 object") {
		t.Errorf("exit code %d: %s%s", exit, stdout, stderr)
	}
}
