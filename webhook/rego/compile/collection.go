package compile

import (
	"github.com/open-policy-agent/opa/v1/ir"
)

// appendTo compiles
//
//	ArrayAppendStmt represents a dynamic append operation of a value onto an array.
func (c *functionCompiler) appendTo(s *ir.ArrayAppendStmt) op {
	if compiled, ok := c.part(s.Array, nil, s.Value); ok {
		return compiled
	}
	place, value := placeOf(s.Array), c.operand(s.Value)
	return func(m *Machine, frame []any) int {
		m.alloc(2 * slot)
		a, ok := frame[place].(*array)
		if !ok || frame[place] == emptyArray {
			a = &array{}
			frame[place] = a
		}
		a.elems = append(a.elems, value.get(frame))
		return 0
	}
}

// addTo compiles
//
//	SetAddStmt represents a dynamic add operation of an element into a set.
func (c *functionCompiler) addTo(s *ir.SetAddStmt) op {
	if compiled, ok := c.part(s.Set, nil, s.Value); ok {
		return compiled
	}
	place, value, conflict := placeOf(s.Set), c.operand(s.Value), c.conflict(&s.Location)
	if c.analysis.of(s.Set).looked {
		root := placeOf(c.ir.Return)
		return func(m *Machine, frame []any) int {
			grown, ok := frame[place].(*set)
			if !ok || grown.owner != frame[root] {
				m.abort(conflict)
			}
			grown.add(&m.meter, value.get(frame))
			return 0
		}
	}
	return func(m *Machine, frame []any) int {
		grown, ok := frame[place].(*set)
		if !ok || frame[place] == emptySet {
			grown = &set{}
			frame[place] = grown
		}
		grown.add(&m.meter, value.get(frame))
		return 0
	}
}

// insert compiles
//
//	ObjectInsertStmt represents a dynamic insert operation of a key/value pair into an object.
func (c *functionCompiler) insert(s *ir.ObjectInsertStmt) op {
	if compiled, ok := c.part(s.Object, &s.Key, s.Value); ok {
		return compiled
	}
	key, value := c.operand(s.Key), c.operand(s.Value)
	grow := c.grow(s.Object, c.conflict(&s.Location))
	return func(m *Machine, frame []any) int {
		grow(m, frame).put(&m.meter, key.get(frame), value.get(frame))
		return 0
	}
}

// insertOnce compiles
//
//	ObjectInsertOnceStmt represents a dynamic insert operation of a key/value pair into an object. If the key already
//	exists and the value differs, execution aborts with a conflict error.
func (c *functionCompiler) insertOnce(s *ir.ObjectInsertOnceStmt) op {
	key, value, conflict := c.operand(s.Key), c.operand(s.Value), c.conflict(&s.Location)
	grow := c.grow(s.Object, conflict)
	return func(m *Machine, frame []any) int {
		o, k, v := grow(m, frame), key.get(frame), value.get(frame)
		if known := o.get(&m.meter, k); known != nil {
			if !m.equal(known, v) {
				m.abort(conflict)
			}
			return 0
		}
		o.put(&m.meter, k, v)
		return 0
	}
}

// grow returns the object in a local, ready to be added to. Objects in the object that a function returns are
// looked up in it, by p[x][y] := z. One that the function has not made itself for that is a value that another rule
// has put there, by p[x] := y: a conflict, as in OPA. Adding to it would change a value that others share.
func (c *functionCompiler) grow(target ir.Local, conflict *Error) func(*Machine, []any) *object {
	place := placeOf(target)
	if c.analysis.of(target).looked {
		root := placeOf(c.ir.Return)
		return func(m *Machine, frame []any) *object {
			o, ok := frame[place].(*object)
			if !ok || o.owner != frame[root] {
				m.abort(conflict)
			}
			return o
		}
	}
	return func(_ *Machine, frame []any) *object {
		o, ok := frame[place].(*object)
		if !ok || frame[place] == emptyObject {
			o = &object{}
			frame[place] = o
		}
		return o
	}
}

// merge compiles
//
//	ObjectMergeStmt performs a recursive merge of two object values. If either of the locals refer to non-object values
//	this operation will abort with a conflict error. Overlapping object keys are merged recursively.
func (c *functionCompiler) merge(s *ir.ObjectMergeStmt) op {
	a, b, place, conflict := c.local(s.A), c.local(s.B), placeOf(s.Target), c.conflict(&s.Location)
	return func(m *Machine, frame []any) int {
		x, y := a.get(frame), b.get(frame)
		switch {
		case x == nil:
			frame[place] = y
		case y == nil:
			frame[place] = x
		case kindOf(x) != kindObject || kindOf(y) != kindObject:
			m.abort(conflict)
		default:
			frame[place] = m.union(y, x) // what is stored matters more than what rules add
		}
		return 0
	}
}

// union returns an object with the members of both. Objects in both are united, otherwise the second one's count.
func (m *Machine) union(a, b any) any {
	if length(a) == 0 {
		return b
	}
	if length(b) == 0 {
		return a
	}
	x, y := m.members(a), m.members(b)
	n := len(x.keys) + len(y.keys)
	o := &object{keys: make([]any, 0, n), values: make([]any, 0, n)}
	for i, key := range x.keys {
		o.put(&m.meter, key, x.values[i])
	}
	for i, key := range y.keys {
		value := y.values[i]
		if known := o.get(&m.meter, key); known != nil && kindOf(known) == kindObject && kindOf(value) == kindObject {
			value = m.union(known, value)
		}
		o.put(&m.meter, key, value)
	}
	return o
}
