package regotest_test

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego"
)

// TestCasesHoldEveryPolicy disables each policy as a whole, and each of its deny and inject rules alone. Every
// time a case of the policy must fail; otherwise the cases would not notice a rule that does nothing.
func TestCasesHoldEveryPolicy(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	all := loadCases(t)
	for _, policy := range catalog.Policies() {
		t.Run(policy.ID, func(t *testing.T) {
			file := sourceOf(t, policy)
			for name, text := range mutants(t, file) {
				mutant := load(t, file, text)
				emptied, ok := mutant.Policy(policy.ID)
				if !ok {
					t.Fatal("the mutant has no policy")
				}
				broken := ""
				for _, c := range all[policy.ID] {
					program, err := c.Program(mutant, emptied)
					if err != nil {
						t.Fatal(err)
					}
					result, err := c.Evaluate(t.Context(), program)
					if err != nil {
						t.Fatal(err)
					}
					if c.Compare(result) != nil {
						broken = c.Name
						break
					}
				}
				if broken == "" {
					t.Errorf("%s: no case of %d fails", name, len(all[policy.ID]))
				} else {
					t.Logf("%s: %q fails", name, broken)
				}
			}
		})
	}
}

func sourceOf(t *testing.T, policy *rego.Policy) string {
	t.Helper()
	folder := strings.ReplaceAll(strings.TrimPrefix(policy.Package, "taffrail."), ".", "/")
	file := path.Join(folder, path.Base(folder)+".rego")
	if _, err := fs.Stat(policies.FS, file); err != nil {
		t.Fatal(err)
	}
	return file
}

func source(t *testing.T, file string) string {
	t.Helper()
	text, err := fs.ReadFile(policies.FS, file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// mutants returns variants of a policy's source with some rules disabled, keyed by which.
func mutants(t *testing.T, file string) map[string]string {
	t.Helper()
	text := source(t, file)
	module, err := ast.ParseModuleWithOpts(file, text, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	empty := text
	for _, rule := range module.Rules {
		name := rule.Head.Ref().String()
		if name != "deny" && name != "inject" {
			continue
		}
		whole := string(rule.Location.Text)
		head, body, ok := strings.Cut(whole, " if {")
		if !ok {
			t.Fatalf("%s:%d: write the rule with a body in braces", file, rule.Location.Row)
		}
		never := head + " if {\n\tfalse" + body
		found[fmt.Sprintf("without %s of line %d", name, rule.Location.Row)] = strings.Replace(text, whole, never, 1)
		empty = strings.Replace(empty, whole, never, 1)
	}
	found["empty"] = empty
	return found
}

// load reads a policy from the given source, together with the library's helpers.
func load(t *testing.T, file, text string) *rego.Catalog {
	t.Helper()
	library := fstest.MapFS{file: {Data: []byte(text)}}
	helpers, err := fs.Glob(policies.FS, "lib/*/*.rego")
	if err != nil {
		t.Fatal(err)
	}
	for _, helper := range helpers {
		library[helper] = &fstest.MapFile{Data: []byte(source(t, helper))}
	}
	catalog, err := rego.Load(library)
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}
