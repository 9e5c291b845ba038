package compile

import "github.com/open-policy-agent/opa/v1/ir"

// use is what a statement does with a local.
type use int

const (
	// reads means that the statement needs its value.
	reads use = iota
	// writes means that the statement assigns it.
	writes
	// rewrites means that the statement may assign it, or assigns it twice.
	rewrites
	// extends means that the statement adds to the collection that it holds.
	extends
)

// eachLocal calls visit for every local that a statement names, and lets it be replaced. Those in the blocks of the
// statement are not included.
func eachLocal(s ir.Stmt, visit func(*ir.Local, use)) {
	operand := func(o *ir.Operand) {
		if l, ok := o.Value.(ir.Local); ok {
			before := l
			if visit(&l, reads); l != before {
				o.Value = l
			}
		}
	}
	operands := func(all []ir.Operand) {
		for i := range all {
			operand(&all[i])
		}
	}
	switch s := s.(type) {
	case *ir.ReturnLocalStmt:
		visit(&s.Source, reads)
	case *ir.CallStmt:
		operands(s.Args)
		visit(&s.Result, writes)
	case *ir.CallDynamicStmt:
		for i := range s.Args {
			visit(&s.Args[i], reads)
		}
		operands(s.Path)
		visit(&s.Result, writes)
	case *ir.DotStmt:
		operand(&s.Source)
		operand(&s.Key)
		visit(&s.Target, writes)
	case *ir.LenStmt:
		operand(&s.Source)
		visit(&s.Target, writes)
	case *ir.ScanStmt:
		visit(&s.Source, reads)
		visit(&s.Key, writes)
		visit(&s.Value, writes)
	case *ir.AssignVarStmt:
		operand(&s.Source)
		visit(&s.Target, writes)
	case *ir.AssignVarOnceStmt:
		operand(&s.Source)
		visit(&s.Target, rewrites)
	case *ir.ObjectMergeStmt:
		visit(&s.A, reads)
		visit(&s.B, reads)
		visit(&s.Target, writes)
	case *ir.WithStmt:
		operand(&s.Value)
		visit(&s.Local, rewrites)
	case *ir.ResultSetAddStmt:
		visit(&s.Value, reads)
	case *ir.ArrayAppendStmt:
		operand(&s.Value)
		visit(&s.Array, extends)
	case *ir.SetAddStmt:
		operand(&s.Value)
		visit(&s.Set, extends)
	case *ir.ObjectInsertStmt:
		operand(&s.Key)
		operand(&s.Value)
		visit(&s.Object, extends)
	case *ir.ObjectInsertOnceStmt:
		operand(&s.Key)
		operand(&s.Value)
		visit(&s.Object, extends)
	case *ir.EqualStmt:
		operand(&s.A)
		operand(&s.B)
	case *ir.NotEqualStmt:
		operand(&s.A)
		operand(&s.B)
	default:
		eachLocalOfOne(s, operand, visit)
	}
}

// eachLocalOfOne is eachLocal for the statements that name one local.
func eachLocalOfOne(s ir.Stmt, operand func(*ir.Operand), visit func(*ir.Local, use)) {
	switch s := s.(type) {
	case *ir.AssignIntStmt:
		visit(&s.Target, writes)
	case *ir.ResetLocalStmt:
		visit(&s.Target, rewrites)
	case *ir.MakeNullStmt:
		visit(&s.Target, writes)
	case *ir.MakeNumberIntStmt:
		visit(&s.Target, writes)
	case *ir.MakeNumberRefStmt:
		visit(&s.Target, writes)
	case *ir.MakeArrayStmt:
		visit(&s.Target, writes)
	case *ir.MakeObjectStmt:
		visit(&s.Target, writes)
	case *ir.MakeSetStmt:
		visit(&s.Target, writes)
	case *ir.IsDefinedStmt:
		visit(&s.Source, reads)
	case *ir.IsUndefinedStmt:
		visit(&s.Source, reads)
	case *ir.IsArrayStmt:
		operand(&s.Source)
	case *ir.IsObjectStmt:
		operand(&s.Source)
	case *ir.IsSetStmt:
		operand(&s.Source)
	}
}

// blocksOf returns the blocks of a statement.
func blocksOf(s ir.Stmt) []*ir.Block {
	switch s := s.(type) {
	case *ir.BlockStmt:
		return s.Blocks
	case *ir.ScanStmt:
		return []*ir.Block{s.Block}
	case *ir.NotStmt:
		return []*ir.Block{s.Block}
	case *ir.WithStmt:
		return []*ir.Block{s.Block}
	}
	return nil
}

// eachStatement calls visit for all statements of blocks, each with the block that it is in.
func eachStatement(blocks []*ir.Block, visit func(*ir.Block, ir.Stmt)) {
	for _, b := range blocks {
		for _, s := range b.Stmts {
			visit(b, s)
			eachStatement(blocksOf(s), visit)
		}
	}
}

// nesting returns how deeply blocks are nested.
func nesting(blocks []*ir.Block) int {
	deepest := 0
	for _, b := range blocks {
		for _, s := range b.Stmts {
			deepest = max(deepest, nesting(blocksOf(s)))
		}
	}
	return 1 + deepest
}
