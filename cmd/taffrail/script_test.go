package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"taffrail.dev/test/golden"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"taffrail": main, "kubectl-taffrail": main})
}

// TestScripts runs testdata/*.txtar. In addition to testscript's own commands there are
//
//	chapter                    writes the chapter's manifests to the folder chapter
//	cluster FILE [FILE]        serves the objects in FILE as an API server, and points $KUBECONFIG to it
//	blocked                    waits until a list of that API server is read which never ends
//	exits CODE PROGRAM ARG...  is exec for a program that must exit with CODE
//
// -update rewrites the expected output in the scripts.
func TestScripts(t *testing.T) {
	manifests := chapterManifests(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: golden.Updating(), RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Values[blockedKey{}] = make(chan struct{}, 1)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"chapter": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(os.MkdirAll(ts.MkAbs("chapter"), 0o755))
				for name, text := range manifests {
					ts.Check(os.WriteFile(ts.MkAbs("chapter/"+name), []byte(text), 0o600))
				}
			},
			"exits":   exits,
			"cluster": startCluster(t),
			"blocked": waitBlocked,
		},
	})
}

func exits(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 2 {
		ts.Fatalf("usage: exits code program [argument...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// execute runs one command line in this process.
func execute(stdin io.Reader, args ...string) (exit int, stdout, stderr string) {
	var out, errs bytes.Buffer
	exit = run(context.Background(), standalone, args, streams{in: stdin, out: &out, err: &errs})
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

// secretValue must not be printed anywhere.
const secretValue = "hunter2-swordfish"

// chapterManifests returns the chapter's own manifests, with templates filled in, by name without .template.
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
