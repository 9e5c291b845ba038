package compile

import (
	"github.com/open-policy-agent/opa/v1/ir"
)

// runBlock evaluates a block within a statement, and returns how many of the blocks around it are left.
func runBlock(ops []op, m *Machine, frame []any) int {
	for _, o := range ops {
		if left := o(m, frame); left != 0 {
			return left - 1
		}
	}
	return 0
}

// blockStmt compiles
//
//	BlockStmt represents a nested block. Nested blocks and break statements can be used to short-circuit execution.
//
// The blocks are evaluated one after another, whether they are undefined or not, until one of them leaves more
// than itself.
func (c *functionCompiler) blockStmt(s *ir.BlockStmt, depth int) (op, error) {
	blocks := make([][]op, 0, len(s.Blocks))
	for _, b := range s.Blocks {
		ops, err := c.block(b, depth+1)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, ops)
	}
	if len(blocks) == 1 {
		only := blocks[0]
		if len(only) == 0 {
			return nil, nil
		}
		return func(m *Machine, frame []any) int { return runBlock(only, m, frame) }, nil
	}
	return func(m *Machine, frame []any) int {
		for _, b := range blocks {
			if left := runBlock(b, m, frame); left > 0 {
				return left
			}
		}
		return 0
	}, nil
}

// breakOut compiles
//
//	BreakStmt represents a jump out of the current block. The index specifies how many blocks to jump starting from
//	zero (the current block). Execution will continue from the end of the block that is jumped to.
func breakOut(left int) op {
	return func(*Machine, []any) int { return left }
}

// never is a statement that is always undefined.
func never(*Machine, []any) int { return 1 }

// not compiles
//
//	NotStmt represents a negated statement.
//
// It is undefined if its block comes to its end. Unlike the body of a function, OPA evaluates a negated body to
// its end, so that what fails in it is noticed although it has succeeded.
func (c *functionCompiler) not(s *ir.NotStmt, depth int) (op, error) {
	// The local that records a success must not have that of the last iteration around this.
	record := 0
	if n := len(s.Block.Stmts); n > 0 {
		if last, ok := s.Block.Stmts[n-1].(*ir.IsDefinedStmt); ok {
			record = placeOf(last.Source)
			c.negated[last.Source] = true
		}
	}
	ops, err := c.block(s.Block, depth+1)
	if err != nil {
		return nil, err
	}
	return func(m *Machine, frame []any) int {
		if record > int(ir.Data) {
			frame[record] = nil
		}
		for _, o := range ops {
			if left := o(m, frame); left != 0 {
				return left - 1
			}
		}
		return 1
	}, nil
}

// expectSuccess finds blocks that are only asked whether they succeed. A local is assigned true wherever that is
// known, and what follows tests it:
//
//	block { …; assign true to l; … }     every x in xs { … }, a && b, a || b
//	is_defined l, or is_undefined l
//
// OPA stops at the first success, so the block is left there. A NotStmt is not treated so: see not.
func (c *functionCompiler) expectSuccess(b *ir.Block, at, depth int) {
	if at+1 >= len(b.Stmts) || c.program.folder.off {
		return
	}
	var record ir.Local
	switch test := b.Stmts[at+1].(type) {
	case *ir.IsDefinedStmt:
		record = test.Source
	case *ir.IsUndefinedStmt:
		record = test.Source
	default:
		return
	}
	if c.negated[record] {
		return
	}
	switch s := b.Stmts[at].(type) {
	case *ir.BlockStmt:
		if len(s.Blocks) == 1 {
			c.exits[record] = depth
		}
	case *ir.ScanStmt:
		c.exits[record] = depth
	}
}
