package sandbox

import "github.com/open-policy-agent/opa/v1/ast"

// WalkTerms visits the terms of all rules, including those in the reference of a head, which OPA's
// visitors skip, as in p[input.kind].q := 1.
func WalkTerms(module *ast.Module, visit func(*ast.Term)) {
	all := func(term *ast.Term) bool {
		visit(term)
		return false
	}
	ast.WalkRules(module, func(rule *ast.Rule) bool {
		for _, term := range rule.Head.Reference {
			ast.WalkTerms(term, all)
		}
		return false
	})
	for _, rule := range module.Rules {
		ast.WalkTerms(rule, all)
	}
}
