package sandbox

import "github.com/open-policy-agent/opa/v1/ast"

// compareEquals leaves `==` a function. OPA makes a unification of it, for its rule indexer,
// and goes through two values that it unifies with a call in a call for each part: large
// ones overflow the stack, and that ends the process. Where one side is a single value, as in
// input.kind == "Pod", nothing can be gone through, and the indexer knows what to do with it.
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
