package compile

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ir"
)

// A collection is made empty by
//
//	MakeArrayStmt constructs a local variable that refers to an array value.
//	MakeObjectStmt constructs a local variable that refers to an object value.
//	MakeSetStmt constructs a local variable that refers to a set value.
//
// and statements that follow add to it: see collection.go. If all of these are in the same block, it is a literal of
// the policy. A literal is made at once when the last of its parts is known, and when the policy is compiled if all of
// them are constants.
type literal struct {
	kind         int
	keys, values []operand
	// missing is how many parts are still to be read.
	missing int
}

// Empty collections. They are shared, and replaced when something is added.
var (
	emptyArray  any = &array{frozen: true}
	emptyObject any = &object{ordered: true, frozen: true}
	emptySet    any = &set{frozen: true}
)

func kindMade(s ir.Stmt) (target ir.Local, kind int) {
	switch s := s.(type) {
	case *ir.MakeArrayStmt:
		return s.Target, kindArray
	case *ir.MakeObjectStmt:
		return s.Target, kindObject
	case *ir.MakeSetStmt:
		return s.Target, kindSet
	}
	return 0, kindUndefined
}

// makeCollection compiles the statements that make an empty collection.
func (c *functionCompiler) makeCollection(b *ir.Block, at int) op {
	target, kind := kindMade(b.Stmts[at])
	if parts, ok := c.partsOf(b, at, target); ok && !c.program.folder.off {
		if parts == 0 {
			c.constants[target] = emptyOf(kind)
			return nil
		}
		c.literals[target] = &literal{kind: kind, missing: parts}
		return nil
	}
	place, root, known := placeOf(target), placeOf(c.ir.Return), c.analysis.of(target)
	switch {
	case c.analysis.nested && target == c.ir.Return && kind == kindObject:
		return func(m *Machine, frame []any) int {
			m.alloc(8 * slot)
			frame[place] = &object{}
			return 0
		}
	case known.looked && kind == kindObject:
		return func(m *Machine, frame []any) int {
			m.alloc(8 * slot)
			frame[place] = &object{owner: frame[root]}
			return 0
		}
	case known.looked && kind == kindSet:
		return func(m *Machine, frame []any) int {
			m.alloc(8 * slot)
			frame[place] = &set{owner: frame[root]}
			return 0
		}
	}
	empty := emptyOf(kind)
	return func(_ *Machine, frame []any) int {
		frame[place] = empty
		return 0
	}
}

func emptyOf(kind int) any {
	switch kind {
	case kindArray:
		return emptyArray
	case kindObject:
		return emptyObject
	}
	return emptySet
}

// partsOf returns how many parts a collection has if it is a literal: it is used only after the last one was added,
// and its parts do not change meanwhile.
func (c *functionCompiler) partsOf(b *ir.Block, at int, target ir.Local) (parts int, ok bool) {
	known := c.analysis.of(target)
	if known.writes != 1 || known.tested || known.conflicts || known.looked {
		return 0, false
	}
	for _, block := range known.extended {
		if block != b {
			return 0, false
		}
	}
	missing := len(known.extended)
	for i := at + 1; i < len(b.Stmts) && missing > 0; i++ {
		extended, fixed := false, true
		eachLocal(b.Stmts[i], func(l *ir.Local, use use) {
			switch {
			case *l == target && use == extends:
				extended = true
			case *l == target:
				fixed = false
			}
		})
		if !fixed {
			return 0, false
		}
		if !extended {
			continue
		}
		missing--
		eachLocal(b.Stmts[i], func(l *ir.Local, use use) { fixed = fixed && (use != reads || c.analysis.of(*l).writes == 1) })
		if !fixed {
			return 0, false
		}
	}
	return len(known.extended), missing == 0
}

// part adds a part to a literal. isLiteral is false if the collection is none.
func (c *functionCompiler) part(target ir.Local, key *ir.Operand, value ir.Operand) (compiled op, isLiteral bool) {
	l, ok := c.literals[target]
	if !ok {
		return nil, false
	}
	if key != nil {
		l.keys = append(l.keys, c.operand(*key))
	}
	l.values = append(l.values, c.operand(value))
	if l.missing--; l.missing > 0 {
		return nil, true
	}
	delete(c.literals, target)
	if l.isConstant() {
		if value, ok := c.program.folder.literal(l); ok {
			c.constants[target] = value
			return nil, true
		}
	}
	place := placeOf(target)
	return func(m *Machine, frame []any) int {
		frame[place] = l.build(m, frame)
		return 0
	}, true
}

func (l *literal) isConstant() bool {
	for _, o := range append(slices.Clip(l.keys), l.values...) {
		if !o.isConstant() {
			return false
		}
	}
	return true
}

func (l *literal) build(m *Machine, frame []any) any {
	n := len(l.values)
	switch l.kind {
	case kindArray:
		m.alloc(slot * (2 + n))
		a := &array{elems: make([]any, n)}
		for i := range l.values {
			a.elems[i] = l.values[i].get(frame)
		}
		return a
	case kindObject:
		o := &object{keys: make([]any, 0, n), values: make([]any, 0, n)}
		for i := range l.values {
			o.put(&m.meter, l.keys[i].get(frame), l.values[i].get(frame))
		}
		return o
	}
	s := &set{elems: make([]any, 0, n)}
	for i := range l.values {
		s.add(&m.meter, l.values[i].get(frame))
	}
	return s
}
