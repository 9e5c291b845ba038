package rego

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// A pattern is compiled for the first object that is matched against it, and not again for each object.
func TestPatternsAreCompiledOnce(t *testing.T) {
	const metadata = "# METADATA\n# title: t\n# description: d\n# custom:\n#   id: a-policy\n#   severity: low\n#   section: \"1\"\n#   kinds: [ConfigMap]\n#   default_mode: warn\n#   remediation: r\n"
	catalog, err := Load(fstest.MapFS{"topic/a_policy/a_policy.rego": {Data: []byte(metadata + `package taffrail.topic.a_policy

deny contains {"msg": "m", "path": "p"} if regex.match(input.name, "x")
`)}})
	if err != nil {
		t.Fatal(err)
	}
	program, err := Compile(catalog, []Instance{{Policy: "a-policy", Parameters: map[string]any{}}})
	if err != nil {
		t.Fatal(err)
	}
	program = program.WithEngine(EngineTopdown)
	library, err := program.library()
	if err != nil {
		t.Fatal(err)
	}
	const most = 150 // OPA by itself keeps 100
	for i := range most {
		r := &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Name: fmt.Sprintf("^x%d$", i), Object: map[string]any{}}
		if results, err := program.Evaluate(t.Context(), r, []int{0}, Deny); err != nil || results[0].Err != nil {
			t.Fatal(err, results)
		}
	}
	for i := range most {
		if _, kept := library.values.Get(ast.String(fmt.Sprintf("^x%d$", i))); !kept {
			t.Errorf("the pattern of object %d is not kept", i)
		}
	}
}
