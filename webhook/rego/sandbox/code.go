package sandbox

import "github.com/open-policy-agent/opa/v1/ast"

// Code holds the properties of a Policy's source that affect the cost of evaluating it.
type Code struct {
	// literal is the number of parts of the largest value that a rule constructs on each evaluation.
	literal int
	// last has the last expression of each body.
	last map[*ast.Expr]bool
}

// NewCode analyzes compiled modules.
func NewCode(modules map[string]*ast.Module) *Code {
	code := &Code{last: map[*ast.Expr]bool{}}
	for _, module := range modules {
		ast.WalkTerms(module, func(term *ast.Term) bool {
			switch term.Value.(type) {
			case *ast.Array, ast.Object, ast.Set:
				if !term.IsGround() {
					code.literal = max(code.literal, partsOf(term))
				}
				return true
			}
			return false
		})
		ast.WalkBodies(module, func(body ast.Body) bool {
			code.last[body[len(body)-1]] = true
			return false
		})
	}
	return code
}

func partsOf(term *ast.Term) (parts int) {
	ast.WalkTerms(term, func(*ast.Term) bool {
		parts++
		return false
	})
	return parts
}
