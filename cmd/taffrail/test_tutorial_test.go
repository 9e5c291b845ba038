package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/test/golden"
)

// The tutorial is executed literally: a block with a file's name is written to that file, and every command of
// a console block must print the output shown after it. -update rewrites the output.
func TestTutorial(t *testing.T) {
	page, err := filepath.Abs(filepath.Join("..", "..", "policies", "TUTORIAL.md"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	got, commands := follow(t, string(text))
	if commands == 0 {
		t.Error("the tutorial has no command")
	}
	if golden.Updating() {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(text), got); diff != "" && !golden.Updating() {
		t.Errorf("policies/TUTORIAL.md (-is +prints):\n%s", diff)
	}
}

// follow returns the text with the actual output of its commands.
func follow(t *testing.T, text string) (got string, commands int) {
	t.Helper()
	var out, block strings.Builder
	fence := ""
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case fence == "" && strings.HasPrefix(trimmed, "```"):
			fence = strings.TrimPrefix(trimmed, "```")
			block.Reset()
			out.WriteString(line)
		case fence != "" && trimmed == "```":
			if _, file, named := strings.Cut(fence, " "); named {
				writeFiles(t, ".", map[string]string{file: block.String()})
			}
			fence = ""
			out.WriteString(line)
		case fence == "console":
			if command, ok := strings.CutPrefix(trimmed, "$ "); ok {
				commands++
				out.WriteString(line)
				out.WriteString(console(t, command))
			} else if trimmed == "" {
				t.Error("a console block has an empty line of its own")
			}
		default:
			block.WriteString(line)
			out.WriteString(line)
		}
	}
	if fence != "" {
		t.Errorf("a block ```%s does not end", fence)
	}
	return out.String(), commands
}

// console runs one command. It omits empty lines, and adds an exit code other than 0.
func console(t *testing.T, command string) string {
	t.Helper()
	words := strings.Fields(command)
	if words[0] != "taffrail" {
		t.Fatalf("%s: only taffrail is run here; write other commands in the text", command)
	}
	exit, stdout, stderr := execute(strings.NewReader(""), words[1:]...)
	var b strings.Builder
	for line := range strings.Lines(stdout + stderr) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(line)
		}
	}
	if exit != exitClean {
		fmt.Fprintf(&b, "(exit code %d)\n", exit)
	}
	return b.String()
}
