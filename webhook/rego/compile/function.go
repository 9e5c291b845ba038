package compile

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ir"
)

// functionCompiler compiles one function.
type functionCompiler struct {
	program  *Program
	ir       *ir.Func
	fn       *function
	analysis *analysis
	// constants has the locals whose value is known, and alias those that are always the same as another one.
	constants map[ir.Local]any
	alias     map[ir.Local]ir.Local
	// literals are collections whose parts are being read.
	literals map[ir.Local]*literal
	// exits has, for a local that records that a block has succeeded, the depth of that block: see expectSuccess.
	exits map[ir.Local]int
	// negated has the locals that record that a negated block has succeeded.
	negated map[ir.Local]bool
	// sameIn is where the rules of a function leave their results if all of them are the same literal, otherwise -1.
	sameIn ir.Local
	// impure is true once the function is known to depend on more than its arguments.
	impure bool
}

func newFunctionCompiler(p *Program, index int, fn *ir.Func) *functionCompiler {
	c := &functionCompiler{
		program: p, ir: fn, analysis: analyze(fn), constants: map[ir.Local]any{}, alias: map[ir.Local]ir.Local{},
		literals: map[ir.Local]*literal{}, exits: map[ir.Local]int{}, negated: map[ir.Local]bool{}, sameIn: -1,
		fn: &function{index: index, number: p.count, result: placeOf(fn.Return)},
	}
	for _, param := range fn.Params {
		c.fn.params = append(c.fn.params, placeOf(param))
	}
	for l, known := range c.analysis.locals {
		if known.tested && !slices.Contains(c.fn.cleared, placeOf(l)) && !slices.Contains(c.fn.params, placeOf(l)) {
			c.fn.cleared = append(c.fn.cleared, placeOf(l))
		}
	}
	slices.Sort(c.fn.cleared)
	c.fn.places, c.fn.depth = c.analysis.places, c.analysis.places
	if !p.folder.off {
		c.sameIn = p.plan.sameResult(fn)
	}
	return c
}

// literalConstant returns the value of an operand that is written in the plan itself, or nil.
func (c *functionCompiler) literalConstant(o ir.Operand) any {
	switch v := o.Value.(type) {
	case ir.Bool:
		return bool(v)
	case ir.StringIndex:
		return c.program.strings[v]
	}
	return nil
}

func (c *functionCompiler) compile() error {
	weight := 0
	for _, b := range c.ir.Blocks {
		ops, err := c.block(b, 0)
		if err != nil {
			return err
		}
		c.fn.body = append(c.fn.body, ops)
		weight += len(ops)
	}
	c.fn.weight, c.fn.cost = weigh(weight), c.program.costOf(c.ir)
	c.fn.pure = !c.impure
	if len(c.ir.Params) == 2 && c.fn.pure {
		c.fn.constant = c.program.folder.call(c.program, c.fn, nil)
	}
	return nil
}

// weigh returns how many steps it is to go through a number of statements. Most do nothing but look something up.
func weigh(statements int) int { return 1 + statements/16 }

// block compiles a block. depth is the number of blocks around it.
func (c *functionCompiler) block(b *ir.Block, depth int) ([]op, error) {
	var ops []op
	for i := range b.Stmts {
		c.expectSuccess(b, i, depth)
		compiled, err := c.statement(b, i, depth)
		if err != nil {
			return nil, err
		}
		if compiled != nil {
			ops = append(ops, compiled)
		}
	}
	return ops, nil
}

// statement compiles a statement of a block. The op is nil if there is nothing to do.
func (c *functionCompiler) statement(b *ir.Block, at, depth int) (op, error) {
	switch s := b.Stmts[at].(type) {
	case *ir.BlockStmt:
		return c.blockStmt(s, depth)
	case *ir.ScanStmt:
		return c.scan(s, depth)
	case *ir.NotStmt:
		return c.not(s, depth)
	case *ir.WithStmt:
		return c.with(s, depth)
	case *ir.CallStmt:
		return c.call(s)
	case *ir.CallDynamicStmt:
		return c.callDynamic(s), nil
	case *ir.MakeArrayStmt, *ir.MakeObjectStmt, *ir.MakeSetStmt:
		return c.makeCollection(b, at), nil
	default:
		compiled, known := c.simple(s, depth)
		if !known {
			return nil, fmt.Errorf("statement %T is not known", s)
		}
		return compiled, nil
	}
}

// simple compiles the statements that have no blocks and call nothing.
func (c *functionCompiler) simple(s ir.Stmt, depth int) (compiled op, known bool) {
	switch s := s.(type) {
	case *ir.NopStmt, *ir.ReturnLocalStmt: // every function returns the same local, at its end
		return nil, true
	case *ir.BreakStmt:
		return breakOut(int(s.Index) + 1), true
	case *ir.DotStmt:
		return c.dot(s), true
	case *ir.LenStmt:
		return c.length(s), true
	case *ir.AssignVarStmt:
		return c.assign(s, depth), true
	case *ir.AssignVarOnceStmt:
		return c.assignOnce(s), true
	case *ir.AssignIntStmt:
		return c.set(s.Target, s.Value), true
	case *ir.ResetLocalStmt:
		return reset(placeOf(s.Target)), true
	case *ir.MakeNullStmt:
		return c.set(s.Target, null), true
	case *ir.MakeNumberIntStmt:
		return c.set(s.Target, s.Value), true
	case *ir.MakeNumberRefStmt:
		return c.set(s.Target, newNumber(c.program.plan.strings[s.Index])), true
	case *ir.ArrayAppendStmt:
		return c.appendTo(s), true
	case *ir.SetAddStmt:
		return c.addTo(s), true
	case *ir.ObjectInsertStmt:
		return c.insert(s), true
	case *ir.ObjectInsertOnceStmt:
		return c.insertOnce(s), true
	case *ir.ObjectMergeStmt:
		return c.merge(s), true
	case *ir.ResultSetAddStmt:
		return c.found(s), true
	}
	return c.test(s)
}

// operand is a value in a frame, or a constant.
type operand struct {
	// place is negative for a constant.
	place int
	value any
	local ir.Local
}

func (o *operand) get(frame []any) any {
	if o.place >= 0 {
		return frame[o.place]
	}
	return o.value
}

func (o *operand) isConstant() bool { return o.place < 0 }

func constantOperand(value any) operand { return operand{place: -1, value: value} }

func (c *functionCompiler) operand(o ir.Operand) operand {
	if l, ok := o.Value.(ir.Local); ok {
		return c.local(l)
	}
	return constantOperand(c.literalConstant(o))
}

func (c *functionCompiler) local(l ir.Local) operand {
	for {
		if value, ok := c.constants[l]; ok {
			return constantOperand(value)
		}
		other, ok := c.alias[l]
		if !ok {
			break
		}
		l = other
	}
	if l == ir.Input || l == ir.Data {
		c.impure = true
	}
	return operand{place: placeOf(l), local: l}
}

func (c *functionCompiler) operands(all []ir.Operand) (operands []operand, constant bool) {
	constant = true
	for _, o := range all {
		compiled := c.operand(o)
		constant = constant && compiled.isConstant()
		operands = append(operands, compiled)
	}
	return operands, constant
}
