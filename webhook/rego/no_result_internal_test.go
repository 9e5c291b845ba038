package rego

import (
	"errors"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
)

// With either engine, a policy fails whose rule returns anything but a set: it must not pass for one that finds nothing.
// METADATA is checked when a policy is loaded, so no policy has such a rule.
func TestWhatIsNoSetIsNoResult(t *testing.T) {
	for name, rule := range map[string]string{"a number": "deny := 7", "undefined": "deny := 7 if input.nothing", "an object": "deny := {}"} {
		program, r := userProgram(t, `deny contains {"msg": "m", "path": "p"} if input.nothing`)
		s := &program.instances[0]
		compiler := ast.MustCompileModules(map[string]string{"p.rego": "package taffrail.user.p\n\nimport rego.v1\n\n" + rule})
		plan, err := compile.NewPlan(t.Context(), compiler, s.policy.denyRule())
		if err != nil {
			t.Fatal(err)
		}
		compiled, err := plan.Compile(compile.Options{}, s.policy.denyRule())
		if err != nil {
			t.Fatal(err)
		}
		s.compiled = func() (*compiledPolicy, error) { return &compiledPolicy{program: compiled}, nil }
		results, err := program.Evaluate(t.Context(), r, []int{0}, Both)
		if failed := new(EvaluationError); err != nil || !errors.As(results[0].Err, &failed) || !errors.Is(failed.Err, errNoResult) {
			t.Errorf("%s: got %+v, %v", name, results, err)
		}
	}
	for name, value := range map[string]ast.Value{"a number": ast.Number("7"), "undefined": nil, "an object": ast.NewObject()} {
		got, err := variables{deny: value}.answer().read(&instance{policy: &Policy{Validates: true}}, Both, &decision.Request{})
		if !errors.Is(err, errNoResult) {
			t.Errorf("topdown, %s: got %+v, %v", name, got, err)
		}
	}
}
