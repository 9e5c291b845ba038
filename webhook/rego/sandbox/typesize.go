package sandbox

import (
	"fmt"
	"math"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxTypeCost limits the estimated work of OPA's type checker for one policy, in steps of about a nanosecond.
// The checker compares both sides of every `=` part by part, and each part twice: twenty lines like `b := [a,
// a]` would keep it busy for years, and nothing can stop it. A normal policy costs a few thousand.
const maxTypeCost = 20_000_000

// typeCost estimates the work as an upper bound. A variable's value is counted at each use, because the checker
// visits it each time.
type typeCost struct {
	module *ast.Module
	rules  map[string]int
	locals map[ast.Var]*ast.Term
	costs  map[ast.Var]int
}

func checkTypeSize(module *ast.Module) []Fault {
	t := &typeCost{module: module, rules: map[string]int{}}
	total := 0
	for _, rule := range module.Rules {
		total = plus(total, t.rule(rule))
		t.enter(rule)
		ast.WalkExprs(rule, func(expr *ast.Expr) bool {
			for _, operand := range expr.Operands() {
				total = plus(total, t.term(operand))
			}
			return false
		})
		if total >= maxTypeCost {
			return []Fault{{Row: rule.Location.Row, Code: CodeSize,
				Reason: fmt.Sprintf("%s is built from values that contain one another too many times", rule.Head.Ref())}}
		}
	}
	return nil
}

func plus(a, b int) int { return min(a+b, math.MaxInt32) }

// enter looks up what the rule's variables are assigned.
func (t *typeCost) enter(rule *ast.Rule) {
	t.locals, t.costs = map[ast.Var]*ast.Term{}, map[ast.Var]int{}
	ast.WalkExprs(rule, func(expr *ast.Expr) bool {
		if !expr.IsEquality() {
			return false
		}
		a, b := expr.Operand(0), expr.Operand(1)
		if v, ok := a.Value.(ast.Var); ok && t.locals[v] == nil {
			t.locals[v] = b
		}
		if v, ok := b.Value.(ast.Var); ok && t.locals[v] == nil {
			t.locals[v] = a
		}
		return false
	})
}

// rule returns the cost of a rule's value.
func (t *typeCost) rule(rule *ast.Rule) int {
	name := rule.Head.Ref().GroundPrefix().String()
	if cost, ok := t.rules[name]; ok {
		return cost
	}
	t.rules[name] = 1 // guards against recursion: no rule can be part of itself
	locals, costs := t.locals, t.costs
	total := 0
	for _, same := range t.module.Rules {
		if same.Head.Ref().GroundPrefix().String() != name {
			continue
		}
		for at := same; at != nil; at = at.Else {
			t.enter(at)
			for _, term := range []*ast.Term{at.Head.Value, at.Head.Key} {
				if term != nil {
					total = plus(total, t.term(term))
				}
			}
		}
	}
	t.locals, t.costs = locals, costs
	t.rules[name] = total
	return total
}

func (t *typeCost) term(term *ast.Term) int {
	total := 1
	add := func(part *ast.Term) { total = plus(total, plus(t.term(part), t.term(part))) }
	switch value := term.Value.(type) {
	case ast.Var:
		return t.local(value)
	case ast.Ref:
		return t.reference(value)
	case *ast.Array:
		value.Foreach(add)
	case ast.Set:
		value.Foreach(add)
	case ast.Object:
		value.Foreach(func(key, member *ast.Term) {
			add(key)
			add(member)
		})
	case *ast.ArrayComprehension:
		add(value.Term)
	case *ast.SetComprehension:
		add(value.Term)
	case *ast.ObjectComprehension:
		add(value.Key)
		add(value.Value)
	}
	return total
}

func (t *typeCost) local(v ast.Var) int {
	if cost, ok := t.costs[v]; ok {
		return cost
	}
	t.costs[v] = 1 // guards against recursion
	if made := t.locals[v]; made != nil {
		t.costs[v] = t.term(made)
	}
	return t.costs[v]
}

// reference costs no more than what it refers to, as it is a part of that.
func (t *typeCost) reference(ref ast.Ref) int {
	if v, ok := ref[0].Value.(ast.Var); ok && !ref.HasPrefix(ast.DefaultRootRef) {
		return t.local(v)
	}
	if !ref.HasPrefix(t.module.Package.Path) {
		return 1
	}
	total := 1
	within := strings.TrimPrefix(ref.ConstantPrefix().String(), t.module.Package.Path.String())
	for _, rule := range t.module.Rules {
		name := "." + rule.Head.Ref().GroundPrefix().String()
		if within == name || strings.HasPrefix(name, within) || strings.HasPrefix(within, name) {
			total = plus(total, t.rule(rule))
		}
	}
	return total
}
