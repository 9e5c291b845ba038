package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/manifest"
	"taffrail.dev/webhook/rego"
)

// rule is a policy for ConfigMaps: a Rego body that denies, and the fix as Rego.
type rule struct{ id, body, path, fix string }

// testFixer returns a fixer with the given rules instead of the library's policies, whose fixes all work.
func testFixer(t *testing.T, rules []rule, texts ...string) *fixer {
	t.Helper()
	library := fstest.MapFS{}
	for _, r := range rules {
		library["t/"+r.id+"/p.rego"] = &fstest.MapFile{Data: fmt.Appendf(nil, `# METADATA
# title: t
# description: t
# custom:
#   id: %[1]s
#   severity: low
#   section: "1"
#   kinds: [ConfigMap, Secret]
#   default_mode: enforce
#   remediation: t
package taffrail.t.%[1]s

import future.keywords.not

deny contains finding if {
	%[2]s
	finding := {"msg": "wrong", "path": %[3]s, "fix": %[4]s}
}
`, r.id, r.body, r.path, r.fix)}
	}
	catalog, err := rego.Load(library)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, problems, err := config.Build(t.Context(), catalog, config.Objects{Guardrails: config.Default(catalog)})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	files := make([]manifest.File, 0, len(texts))
	for i, text := range texts {
		files = append(files, manifest.File{Name: fmt.Sprintf("f%d", i), Data: []byte(text)})
	}
	return newFixer(&decider{snapshot: snapshot, namespace: "shop", source: &source{}}, files)
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n"

var (
	works       = rule{"works", "not input.object.data.works", `"data.works"`, `[{"op": "add", "path": "/data/works", "value": "x"}]`}
	unsatisfied = rule{"stays", "not input.object.data.other", `"data.other"`, `[{"op": "add", "path": "/data/wrong", "value": "x"}]`}
	misses      = rule{"misses", "not input.object.x", `"x.y"`, `[{"op": "replace", "path": "/x/y", "value": "x"}]`}
	number      = rule{"number", "to_number(input.object.data.number) == 0", `"data.number"`, `[{"op": "add", "path": "/data/number", "value": "1"}]`}
	different   = rule{"different", `input.object.data.password`, `"data[password]"`, `[{"op": "test", "path": "/data/password", "value": ""}]`}
)

func TestFixes(t *testing.T) {
	tests := []struct {
		name     string
		rules    []rule
		text     string
		want     string
		fixed    int
		problems []string
	}{
		{
			"what does not help is not written, and what helps is",
			[]rule{works, unsatisfied, misses},
			configMap + "data: {}\n",
			configMap + "data:\n  works: x\n", 1,
			[]string{
				"f0:1: ConfigMap shop/c: the fix of policy misses for x.y was not made: replace /x/y: there is no such field",
				"f0:1: ConfigMap shop/c: the fix of policy stays for data.other was not made: the policy would still object",
			},
		},
		{
			"no value is quoted",
			[]rule{different},
			"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {password: " + secretValue + "}\n",
			"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {password: " + secretValue + "}\n", 0,
			[]string{"f0:1: Secret shop/s: the fix of policy different for data[password] was not made: test /data/password: the field no longer has the value that the fix was made for"},
		},
		{
			"two fixes that create one parent",
			[]rule{
				{"one", "not input.object.data.one", `"data.one"`, `array.concat([o | not input.object.data; o := {"op": "add", "path": "/data", "value": {}}], [{"op": "add", "path": "/data/one", "value": "1"}])`},
				{"two", "not input.object.data.two", `"data.two"`, `array.concat([o | not input.object.data; o := {"op": "add", "path": "/data", "value": {}}], [{"op": "add", "path": "/data/two", "value": "2"}])`},
			},
			configMap,
			configMap + "data:\n  one: \"1\"\n  two: \"2\"\n", 2, nil,
		},
		{
			"elements of one list, whose places move",
			[]rule{{"bad", `some i, value in input.object.list; value == "bad"`, `sprintf("list[%d]", [i])`, `[{"op": "remove", "path": sprintf("/list/%d", [i])}]`}},
			configMap + "list:\n- bad # 1\n- bad # 2\n- good # 3\n- bad # 4\n",
			configMap + "list:\n- good # 3\n", 3, nil,
		},
		{
			"a fix that makes another necessary",
			[]rule{works, {"follows", "input.object.data.works; not input.object.data.follows", `"data.follows"`, `[{"op": "add", "path": "/data/follows", "value": "x"}]`}},
			configMap + "data:\n  a: b",
			configMap + "data:\n  a: b\n  works: x\n  follows: x", 2, nil,
		},
		{
			"objects of a List and of other documents",
			[]rule{works},
			"apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n  data: {a: b}\n- metadata: {name: b}\n  data: {}\n---\n# left alone\napiVersion: v1\nkind:  Service\nmetadata: {name: p}\nspec: {}\n---\n" + configMap + "data:\n  a: b\n",
			"apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n  data: {a: b, works: x}\n- metadata: {name: b}\n  data:\n    works: x\n---\n# left alone\napiVersion: v1\nkind:  Service\nmetadata: {name: p}\nspec: {}\n---\n" + configMap + "data:\n  a: b\n  works: x\n", 3, nil,
		},
		{
			"a stream of JSON",
			[]rule{works},
			`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{}}` + "\n\n" + `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"data":{}}` + "\n \n",
			`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"works":"x"}}` + "\n\n" + `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"data":{"works":"x"}}` + "\n \n", 2, nil,
		},
		{
			"a file that cannot be read as a whole",
			[]rule{works},
			configMap + "data: {}\n---\nkind: [\n", configMap + "data: {}\n---\nkind: [\n", 0, nil,
		},
		{
			"a file with an object that no API server has",
			[]rule{works},
			configMap + "data: {}\n---\napiVersion: v2\nkind: ConfigMap\nmetadata: {name: d}\n", configMap + "data: {}\n---\napiVersion: v2\nkind: ConfigMap\nmetadata: {name: d}\n", 0, nil,
		},
		{
			"a file with an object that a policy fails on",
			[]rule{works, number},
			configMap + "data: {}\n---\n" + configMap + "data: {works: x, number: many}\n", configMap + "data: {}\n---\n" + configMap + "data: {works: x, number: many}\n", 0, nil,
		},
		{
			"a fix that another policy fails on",
			[]rule{number, {"many", "not input.object.data.number", `"data.number"`, `[{"op": "add", "path": "/data/number", "value": "many"}]`}},
			configMap + "data: {}\n", configMap + "data: {}\n", 0,
			[]string{"f0:1: ConfigMap shop/c: the fix of policy many for data.number was not made: its file could not be decided afterward"},
		},
		{
			"what cannot be written costs only itself",
			[]rule{works, {"keys", `some key, value in input.object.x; value == 1`, `"x"`, `[{"op": "add", "path": sprintf("/x/%s", [key]), "value": 2}]`}},
			configMap + "data: {}\nx: {0x10: 1}\n",
			configMap + "data:\n  works: x\nx: {0x10: 1}\n", 1,
			[]string{"f0:1: ConfigMap shop/c: the fix of policy keys for x was not made: the YAML is written in a way that cannot be changed without touching other lines: make the change by hand"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := testFixer(t, test.rules, test.text)
			if _, err := f.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(f.files[0].Data)); diff != "" {
				t.Error(diff)
			}
			if len(f.fixed) != test.fixed {
				t.Errorf("fixed %q", f.fixed)
			}
			var problems []string
			for _, p := range f.problems {
				problems = append(problems, p.Source.String()+": "+p.Message)
			}
			if diff := cmp.Diff(test.problems, problems); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(fmt.Sprint(f.fixed, problems), secretValue) {
				t.Error("a secret value is printed")
			}
		})
	}
}

// Policies with contradicting fixes must neither run forever nor have their fixes applied.
func TestFixesWithoutEnd(t *testing.T) {
	f := testFixer(t, []rule{
		{"on", "not input.object.data.a", `"data.a"`, `[{"op": "add", "path": "/data/a", "value": "x"}]`},
		{"off", "input.object.data.a", `"data.a"`, `[{"op": "remove", "path": "/data/a"}]`},
	}, configMap+"data: {}\n")
	if _, err := f.run(t.Context()); err == nil || !strings.Contains(err.Error(), "do not converge") {
		t.Errorf("got %v", err)
	}
	if got := string(f.files[0].Data); got != configMap+"data: {}\n" {
		t.Errorf("got %q", got)
	}
}
