package compile

import "github.com/open-policy-agent/opa/v1/ir"

// The planner gives the locals of a function's rules the same numbers, since no two of its rules run at once. What is
// known of a local in one rule does not hold in the next, so renameLocals gives those of each rule numbers of their
// own before anything is derived from them. The place of a local in the frame of its function stays the planner's.
const ruleStride = 1 << 20

// placeOf returns the place of a local in the frame of its function.
func placeOf(l ir.Local) int { return int(l) % ruleStride }

// renameLocals adds a multiple of ruleStride to the locals of each rule: to all but the parameters, the local that
// is returned and the one behind it, in which rules of a function leave their results.
func renameLocals(f *ir.Func) {
	shared := f.Return
	for _, p := range f.Params {
		shared = max(shared, p)
	}
	shared++
	rule := ir.Local(0)
	rename := func(b *ir.Block) {
		rule++
		offset := rule * ruleStride
		eachStatement([]*ir.Block{b}, func(_ *ir.Block, s ir.Stmt) {
			eachLocal(s, func(l *ir.Local, _ use) {
				if *l > shared {
					*l += offset
				}
			})
		})
	}
	for _, b := range f.Blocks {
		for _, r := range alternatives(b) {
			rename(r)
		}
	}
}

// alternatives returns the blocks of a rule and of its else branches, which the planner wraps in one block.
func alternatives(b *ir.Block) []*ir.Block {
	if len(b.Stmts) == 1 {
		if s, ok := b.Stmts[0].(*ir.BlockStmt); ok {
			return s.Blocks
		}
	}
	return []*ir.Block{b}
}
