package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite what testdata/*.txtar expects")

// script is one command line and what it prints. In a .txtar file the comment says
//
//	args: check -o json a.yaml
//	stdin: b.yaml                (a file of the archive; none by default)
//	dir: deploy                  (the folder to run in, . by default)
//	chapter: true                (the chapter's manifests in the folder chapter)
//	exit: 2
//	stdout: ^ID +MODE             (a pattern that a line matches, instead of the whole)
//
// after free text. The files stdout and stderr are what is expected, all others are
// there in the working directory.
type script struct {
	args, stdin, dir string
	chapter          bool
	exit             int
	patterns         []string // of stdout
}

func parseScript(t *testing.T, comment string) script {
	t.Helper()
	var s script
	for line := range strings.Lines(comment) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "args":
			s.args = value
		case "stdin":
			s.stdin = value
		case "dir":
			s.dir = value
		case "chapter":
			s.chapter = value == "true"
		case "stdout":
			s.patterns = append(s.patterns, value)
		case "exit":
			exit, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			s.exit = exit
		}
	}
	return s
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runScript(t, path) })
	}
}

func runScript(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := parseScript(t, string(archive.Comment))
	manifests := chapterManifests(t)
	t.Chdir(t.TempDir())
	if s.chapter {
		writeFiles(t, "chapter", manifests)
	}
	inputs, want := map[string]string{}, map[string]string{}
	for _, f := range archive.Files {
		if f.Name == "stdout" || f.Name == "stderr" {
			want[f.Name] = string(f.Data)
		} else {
			inputs[f.Name] = string(f.Data)
		}
	}
	writeFiles(t, ".", inputs)
	if s.dir != "" {
		t.Chdir(s.dir)
	}
	exit, stdout, stderr := execute(strings.NewReader(inputs[s.stdin]), strings.Fields(s.args)...)
	if exit != s.exit {
		t.Errorf("exit code %d, want %d", exit, s.exit)
	}
	for _, pattern := range s.patterns {
		if !regexp.MustCompile("(?m)" + pattern).MatchString(stdout) {
			t.Errorf("stdout has no line like %s:\n%s", pattern, stdout)
		}
	}
	if len(s.patterns) > 0 {
		stdout = ""
	}
	if *update {
		rewrite(t, path, archive, map[string]string{"stdout": stdout, "stderr": stderr})
		return
	}
	if diff := cmp.Diff(want["stdout"], stdout); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want["stderr"], stderr); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}

func rewrite(t *testing.T, path string, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	kept := archive.Files[:0]
	for _, f := range archive.Files {
		if f.Name != "stdout" && f.Name != "stderr" {
			kept = append(kept, f)
		}
	}
	for _, name := range []string{"stdout", "stderr"} {
		if got[name] != "" {
			kept = append(kept, txtar.File{Name: name, Data: []byte(got[name])})
		}
	}
	archive.Files = kept
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// execute runs one command line in this process.
func execute(stdin io.Reader, args ...string) (exit int, stdout, stderr string) {
	var out, errs bytes.Buffer
	exit = run(context.Background(), args, streams{in: stdin, out: &out, err: &errs})
	return exit, out.String(), errs.String()
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// secretValue stands for what must not be printed anywhere.
const secretValue = "hunter2-swordfish"

// chapterManifests are the chapter's own, templates filled in, by name without .template.
func chapterManifests(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{
		"ECR_HOST":      "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com",
		"DB_URL":        "jdbc:postgresql://" + secretValue + ".example/myworkdb",
		"DB_PASSWORD":   secretValue,
		"BUCKET_SUFFIX": "example",
	}
	const dir = "../../test/testdata/chapter"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		name, isTemplate := strings.CutSuffix(entry.Name(), ".template")
		if isTemplate {
			text = []byte(os.Expand(string(text), func(key string) string { return values[key] }))
		}
		files[name] = string(text)
	}
	return files
}
