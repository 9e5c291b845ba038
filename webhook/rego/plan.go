package rego

import (
	"context"
	"fmt"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/rego/compile"
)

// planLibrary plans all policies of the library at once, with a compiler that has compiled them: they share helpers.
// If that fails, each is planned alone, so that one that cannot be planned takes no other with it.
func planLibrary(compiler *ast.Compiler, policies []*Policy) {
	var rules []string
	for _, policy := range policies {
		rules = append(rules, policy.rules()...)
	}
	together := sync.OnceValues(func() (*compile.Plan, error) {
		return compile.NewPlan(context.Background(), compiler, rules...)
	})
	for _, policy := range policies {
		policy.plan = sync.OnceValues(func() (*compile.Plan, error) {
			if plan, err := together(); err == nil {
				return plan, nil
			}
			return compile.NewPlan(context.Background(), compiler, policy.rules()...)
		})
	}
}

// planUser plans a user's Policy with a compiler that has compiled it.
func planUser(compiler *ast.Compiler, policy *Policy) {
	policy.plan = sync.OnceValues(func() (*compile.Plan, error) {
		if err := checkPlannable(compiler, policy); err != nil {
			return nil, err
		}
		return compile.NewPlan(context.Background(), compiler, policy.rules()...)
	})
}

// maxCombinations limits how many rules of its own a rule of a user's Policy may select by variables, in all
// combinations: the planner writes the rest of the body out for each of them.
const maxCombinations = 100

// checkPlannable refuses what would keep OPA's planner busy for very long.
func checkPlannable(compiler *ast.Compiler, policy *Policy) error {
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			combinations := 1
			ast.WalkRefs(rule, func(ref ast.Ref) bool {
				combinations = min(combinations*selects(compiler, ref), 1<<20)
				return false
			})
			if combinations > maxCombinations {
				return fmt.Errorf("policy %s selects rules by variables in too many combinations, at line %d", policy.ID, rule.Location.Row)
			}
		}
	}
	return nil
}

// selects returns how many rules a reference into data may stand for, one after another.
func selects(compiler *ast.Compiler, ref ast.Ref) int {
	if !ref.HasPrefix(ast.DefaultRootRef) || ref.IsGround() {
		return 1
	}
	prefix := ref.ConstantPrefix()
	found := 0
	for _, rule := range compiler.GetRulesWithPrefix(prefix) {
		if len(rule.Ref().GroundPrefix()) > len(prefix) {
			found++
		}
	}
	return 1 + found
}
