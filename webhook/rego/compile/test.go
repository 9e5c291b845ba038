package compile

import (
	"github.com/open-policy-agent/opa/v1/ir"
)

// test compiles the statements that are undefined if something does not hold.
//
//	EqualStmt represents an value-equality check of two local variables.
//	NotEqualStmt represents a != check of two local variables.
//	IsDefinedStmt represents a check of whether a local variable is defined.
//	IsUndefinedStmt represents a check of whether local variable is undefined.
//	IsArrayStmt, IsObjectStmt and IsSetStmt represent a dynamic type check on a local variable.
func (c *functionCompiler) test(s ir.Stmt) (compiled op, known bool) {
	switch s := s.(type) {
	case *ir.EqualStmt:
		return c.equal(c.operand(s.A), c.operand(s.B)), true
	case *ir.NotEqualStmt:
		return c.notEqual(c.operand(s.A), c.operand(s.B)), true
	case *ir.IsDefinedStmt:
		return c.isDefined(s), true
	case *ir.IsUndefinedStmt:
		place := placeOf(s.Source)
		return func(_ *Machine, frame []any) int { return leaveUnless(frame[place] == nil) }, true
	case *ir.IsArrayStmt:
		return isKind(c.operand(s.Source), kindArray), true
	case *ir.IsObjectStmt:
		return isKind(c.operand(s.Source), kindObject), true
	case *ir.IsSetStmt:
		return isKind(c.operand(s.Source), kindSet), true
	}
	return nil, false
}

func leaveUnless(holds bool) int {
	if holds {
		return 0
	}
	return 1
}

func isKind(o operand, kind int) op {
	return func(_ *Machine, frame []any) int { return leaveUnless(kindOf(o.get(frame)) == kind) }
}

func (c *functionCompiler) isDefined(s *ir.IsDefinedStmt) op {
	if s.Source == ir.Input {
		c.impure = true
	}
	place := placeOf(s.Source)
	return func(_ *Machine, frame []any) int { return leaveUnless(frame[place] != nil) }
}

func (c *functionCompiler) equal(a, b operand) op {
	if a.isConstant() {
		a, b = b, a
	}
	if !b.isConstant() {
		return func(m *Machine, frame []any) int { return leaveUnless(m.equal(frame[a.place], frame[b.place])) }
	}
	if a.isConstant() {
		if same, known := c.program.folder.equal(a.value, b.value); known {
			if same {
				return nil
			}
			return never
		}
		return func(m *Machine, _ []any) int { return leaveUnless(m.equal(a.value, b.value)) }
	}
	place := a.place
	switch want := b.value.(type) {
	case string:
		return func(_ *Machine, frame []any) int {
			value, ok := frame[place].(string)
			return leaveUnless(ok && value == want)
		}
	case bool:
		return func(_ *Machine, frame []any) int {
			value, ok := frame[place].(bool)
			return leaveUnless(ok && value == want)
		}
	}
	want := b.value
	return func(m *Machine, frame []any) int { return leaveUnless(m.equal(frame[place], want)) }
}

func (c *functionCompiler) notEqual(a, b operand) op {
	if a.isConstant() {
		a, b = b, a
	}
	if a.isConstant() {
		if same, known := c.program.folder.equal(a.value, b.value); known {
			if !same {
				return nil
			}
			return never
		}
	}
	if want, ok := b.value.(bool); ok && !a.isConstant() { // an expression that must not be false
		place := a.place
		return func(_ *Machine, frame []any) int {
			value, ok := frame[place].(bool)
			return leaveUnless(!ok || value != want)
		}
	}
	return func(m *Machine, frame []any) int { return leaveUnless(!m.equal(a.get(frame), b.get(frame))) }
}
