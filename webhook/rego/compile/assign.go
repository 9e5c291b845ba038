package compile

import (
	"github.com/open-policy-agent/opa/v1/ir"
)

// set assigns a constant: in AssignIntStmt, MakeNullStmt, MakeNumberIntStmt and MakeNumberRefStmt, or as the result of
// what was computed already. A local that holds nothing else needs no place in the frame.
func (c *functionCompiler) set(target ir.Local, value any) op {
	if c.analysis.fixed(target) {
		c.constants[target] = value
		return nil
	}
	place := placeOf(target)
	return func(_ *Machine, frame []any) int {
		frame[place] = value
		return 0
	}
}

// assign compiles
//
//	AssignVarStmt represents an assignment of one local variable to another.
//
// If the local records that a block has succeeded, the block is left: see expectSuccess.
func (c *functionCompiler) assign(s *ir.AssignVarStmt, depth int) op {
	if c.analysis.unused[s] {
		return nil
	}
	source := c.operand(s.Source)
	place := placeOf(s.Target)
	if source.isConstant() {
		value := source.value
		if block, ok := c.exits[s.Target]; ok {
			left := depth - block
			return func(_ *Machine, frame []any) int {
				frame[place] = value
				return left
			}
		}
		return c.set(s.Target, value)
	}
	if c.analysis.fixed(s.Target) && c.analysis.fixed(source.local) && !c.program.folder.off {
		c.alias[s.Target] = source.local
		return nil
	}
	from := source.place
	return func(_ *Machine, frame []any) int {
		frame[place] = frame[from]
		return 0
	}
}

// assignOnce compiles
//
//	AssignVarOnceStmt represents an assignment of one local variable to another. If the target is defined, execution
//	aborts with a conflict error.
//
// It is no conflict if the target has an equal value. Rules leave their results this way; if all of them are the
// same literal, the first that holds ends the function: see sameResult.
func (c *functionCompiler) assignOnce(s *ir.AssignVarOnceStmt) op {
	source, place, conflict := c.operand(s.Source), placeOf(s.Target), c.conflict(&s.Location)
	if s.Target == c.sameIn {
		result := c.fn.result
		return func(_ *Machine, frame []any) int {
			frame[result] = source.get(frame)
			return leaveFunction
		}
	}
	return func(m *Machine, frame []any) int {
		value := source.get(frame)
		if known := frame[place]; known != nil {
			if !m.equal(known, value) {
				m.abort(conflict)
			}
			return 0
		}
		frame[place] = value
		return 0
	}
}

// reset compiles
//
//	ResetLocalStmt resets a local variable to 0.
//
// The local is undefined then.
func reset(place int) op {
	return func(_ *Machine, frame []any) int {
		frame[place] = nil
		return 0
	}
}

// found compiles
//
//	ResultSetAddStmt adds a value into the result set returned by the query plan.
func (c *functionCompiler) found(s *ir.ResultSetAddStmt) op {
	value := c.local(s.Value)
	return func(m *Machine, frame []any) int {
		m.alloc(slot)
		m.found = append(m.found, value.get(frame))
		return 0
	}
}

// conflict returns the error for a rule that has two values.
func (c *functionCompiler) conflict(at *ir.Location) *Error {
	return c.program.plan.errorAt(codeConflict, at)
}

// Codes of OPA's errors.
const (
	codeConflict = "eval_conflict_error"
	codeBuiltin  = "eval_builtin_error"
)

func (p *Plan) errorAt(code string, at *ir.Location) *Error {
	e := &Error{Code: code, Row: at.Row}
	if at.File >= 0 && at.File < len(p.files) {
		e.File = p.files[at.File]
	}
	return e
}
