package compile

import (
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ir"
)

// OPA stops at the first rule that holds if all rules of a function, with their else branches, return the same literal:
// what would fail in the others is not noticed. The IR has no such exit. sameResult returns the local in which the
// rules of such a function leave their results, and -1 for any other function: see assignOnce.
func (p *Plan) sameResult(fn *ir.Func) (result ir.Local) {
	literals := literalsOf(fn)
	result = -1
	same, written := true, ""
	eachStatement(fn.Blocks, func(_ *ir.Block, s ir.Stmt) {
		once, ok := s.(*ir.AssignVarOnceStmt)
		if !ok || once.Target == fn.Return {
			return
		}
		text, isLiteral := literals.write(p, once.Source)
		same = same && isLiteral && (result < 0 || text == written)
		result, written = once.Target, text
	})
	if !same {
		return -1
	}
	return result
}

// writtenLiterals has what the locals of a function are made of if they hold values that are written in the policy:
// the statements that make a value, and those that add its parts.
type writtenLiterals map[ir.Local][]ir.Stmt

func literalsOf(fn *ir.Func) writtenLiterals {
	made := writtenLiterals{}
	times := map[ir.Local]int{}
	eachStatement(fn.Blocks, func(_ *ir.Block, s ir.Stmt) {
		eachLocal(s, func(l *ir.Local, use use) {
			if use == writes || use == rewrites {
				times[*l]++
			}
			if use == writes || use == extends {
				made[*l] = append(made[*l], s)
			}
		})
	})
	for l, n := range times {
		if n != 1 {
			delete(made, l)
		}
	}
	return made
}

// write writes a literal so that equal ones are written alike. ok is false for a value that is computed.
func (w writtenLiterals) write(p *Plan, o ir.Operand) (text string, ok bool) {
	switch v := o.Value.(type) {
	case ir.Bool:
		return strconv.FormatBool(bool(v)), true
	case ir.StringIndex:
		return strconv.Quote(p.strings[v]), true
	case ir.Local:
		return w.writeLocal(p, v)
	}
	return "", false
}

func (w writtenLiterals) writeLocal(p *Plan, l ir.Local) (text string, ok bool) {
	parts := []string{}
	add := func(operands ...ir.Operand) {
		for _, o := range operands {
			part, isLiteral := w.write(p, o)
			ok = ok && isLiteral
			parts = append(parts, part)
		}
	}
	ok = len(w[l]) > 0
	for _, s := range w[l] {
		switch s := s.(type) {
		case *ir.MakeNullStmt:
			parts = append(parts, "null")
		case *ir.MakeNumberIntStmt:
			parts = append(parts, strconv.FormatInt(s.Value, 10))
		case *ir.MakeNumberRefStmt:
			parts = append(parts, p.strings[s.Index])
		case *ir.MakeArrayStmt:
			parts = append(parts, "array")
		case *ir.MakeObjectStmt:
			parts = append(parts, "object")
		case *ir.MakeSetStmt:
			parts = append(parts, "set")
		case *ir.ArrayAppendStmt:
			add(s.Value)
		case *ir.SetAddStmt:
			add(s.Value)
		case *ir.ObjectInsertStmt:
			add(s.Key, s.Value)
		default:
			return "", false
		}
	}
	return "(" + strings.Join(parts, " ") + ")", ok
}
