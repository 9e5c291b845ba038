package rego

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego/sandbox"
)

func libraryModules(t *testing.T) map[string]*ast.Module {
	t.Helper()
	modules := map[string]*ast.Module{}
	err := fs.WalkDir(policies.FS, ".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(file) != ".rego" {
			return err
		}
		source, err := fs.ReadFile(policies.FS, file)
		if err != nil {
			return err
		}
		modules[file], err = parse(file, string(source))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

// TestRego runs the library's own Rego tests with OPA's tester, under the capabilities that policies have.
func TestRego(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with the race detector, and is of one goroutine")
	}
	catalog, err := Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for file := range libraryModules(t) {
		if strings.HasSuffix(file, "_test.rego") {
			source, err := fs.ReadFile(policies.FS, file)
			if err != nil {
				t.Fatal(err)
			}
			sources[file] = string(source)
		}
	}
	results, err := catalog.RunTests(t.Context(), sources, nil)
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	for _, result := range results {
		if result.Failure == nil && !result.Skipped {
			passed++
		} else {
			t.Errorf("%s.%s: %+v", result.Package, result.Name, result.Failure)
		}
	}
	if passed == 0 {
		t.Error("no test ran")
	}
	t.Logf("%d Rego tests passed", passed)
}

// TestRegoWithoutIndexing evaluates every test rule with the rule indexer on and off:
// what the indexer skips must make no difference.
func TestRegoWithoutIndexing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with the race detector, and is of one goroutine")
	}
	modules := libraryModules(t)
	compiler := sandbox.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	compared := 0
	for _, module := range modules {
		for _, rule := range module.Rules {
			name := rule.Head.Ref()[0].Value.String()
			if !strings.HasPrefix(name, "test_") {
				continue
			}
			query := "result = " + module.Package.Path.String() + "." + name
			indexed, plain := evaluate(t, compiler, query, true), evaluate(t, compiler, query, false)
			if indexed == nil || plain == nil || indexed.Compare(plain) != 0 {
				t.Errorf("%s: %v with the indexer, %v without", query, indexed, plain)
			}
			compared++
		}
	}
	if compared == 0 {
		t.Error("no test ran")
	}
	t.Logf("%d Rego tests compared", compared)
}

func evaluate(t *testing.T, compiler *ast.Compiler, query string, indexing bool) ast.Value {
	t.Helper()
	ctx := t.Context()
	body, err := compiler.QueryCompiler().Compile(ast.MustParseBody(query))
	if err != nil {
		t.Fatal(err)
	}
	store := inmem.New()
	results, err := topdown.NewQuery(body).WithCompiler(compiler).WithStore(store).
		WithTransaction(storage.NewTransactionOrDie(ctx, store)).
		WithIndexing(indexing).WithStrictBuiltinErrors(true).Run(ctx)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if len(results) != 1 {
		return nil
	}
	return results[0]["result"].Value
}
