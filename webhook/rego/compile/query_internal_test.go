package compile

import "github.com/open-policy-agent/opa/v1/ir"

// queryFunction makes a function of a plan: its blocks are those of a function that returns nothing.
func queryFunction(plan *ir.Plan) *ir.Func {
	highest := ir.Data
	eachStatement(plan.Blocks, func(_ *ir.Block, s ir.Stmt) {
		eachLocal(s, func(l *ir.Local, _ use) { highest = max(highest, *l) })
	})
	return &ir.Func{Name: "query", Params: []ir.Local{ir.Input, ir.Data}, Return: highest + 1, Blocks: plan.Blocks}
}
