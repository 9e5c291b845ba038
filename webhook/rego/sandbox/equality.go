package sandbox

import "github.com/open-policy-agent/opa/v1/ast"

// compareEquals keeps `==` a function call. OPA rewrites it to a unification, for its rule indexer, and the
// unification of two values recurses for each part: large values overflow the stack, which kills the process.
// If one side is a scalar, as in input.kind == "Pod", the unification cannot recurse and is kept for the
// indexer.
func compareEquals(compiler *ast.Compiler) *ast.Compiler {
	return compiler.WithSkipStages(ast.StageRewriteEquals).WithStageAfterID(ast.StageCheckSafetyRuleBodies, ast.CompilerStageDefinition{
		Name: "compare_equals", MetricName: "compile_stage_compare_equals", Stage: func(c *ast.Compiler) *ast.Error {
			for _, module := range c.Modules {
				ast.WalkExprs(module, func(expr *ast.Expr) bool {
					if expr.IsCall() && expr.Operator().Equal(ast.Equal.Ref()) && len(expr.Operands()) == 2 &&
						(ast.IsScalar(expr.Operand(0).Value) || ast.IsScalar(expr.Operand(1).Value)) {
						expr.SetOperator(ast.NewTerm(ast.Equality.Ref()))
					}
					return false
				})
			}
			return nil
		},
	})
}
