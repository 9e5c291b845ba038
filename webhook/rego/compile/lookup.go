package compile

import (
	"github.com/open-policy-agent/opa/v1/ir"
)

// dot compiles
//
//	DotStmt represents a lookup operation on a value (e.g., array, object, etc.) The source of a DotStmt may be a
//	scalar value in which case the statement will be undefined.
//
// It is undefined, too, if there is no such member.
func (c *functionCompiler) dot(s *ir.DotStmt) op {
	key := c.operand(s.Key)
	if l, ok := s.Source.Value.(ir.Local); ok && l == ir.Input && c.program.parameters != nil && key.value == "parameters" {
		return c.set(s.Target, c.program.parameters) // without c.local, which takes the function for one of the input
	}
	source := c.operand(s.Source)
	if source.isConstant() && key.isConstant() {
		value, known := c.program.folder.lookup(source.value, key.value)
		switch {
		case known && value == nil:
			return never
		case known:
			return c.set(s.Target, value)
		}
	}
	place := placeOf(s.Target)
	if name, ok := key.value.(string); ok && !source.isConstant() {
		return dotName(source.place, name, place)
	}
	return func(m *Machine, frame []any) int {
		value := m.lookup(source.get(frame), key.get(frame))
		if value == nil {
			return 1
		}
		frame[place] = value
		return 0
	}
}

// dotName looks up a member whose name is known: most statements of a policy do.
func dotName(from int, name string, place int) op {
	var key any = name
	weight := len(name) / perStep // map and Document compare the name
	return func(m *Machine, frame []any) int {
		var value any
		if weight > 0 {
			m.step(weight)
		}
		switch source := frame[from].(type) {
		case map[string]any:
			member, ok := source[name]
			if !ok {
				return 1
			}
			value = canon(member)
		case Document:
			member := source.Get(name)
			if member == nil {
				return 1
			}
			value = member
		default:
			if value = m.lookup(source, key); value == nil {
				return 1
			}
		}
		frame[place] = value
		return 0
	}
}

// lookup returns a member of a collection, or nil if there is none.
func (m *Machine) lookup(source, key any) any {
	if name, ok := key.(string); ok && len(name) >= perStep {
		m.read(len(name))
	}
	switch source := source.(type) {
	case map[string]any:
		if name, ok := key.(string); ok {
			if value, ok := source[name]; ok {
				return canon(value)
			}
		}
	case Document:
		if name, ok := key.(string); ok {
			if value := source.Get(name); value != nil {
				return canon(value)
			}
		}
	case []any:
		if i, ok := m.toIndex(key); ok && i < len(source) {
			return canon(source[i])
		}
	case *array:
		if i, ok := m.toIndex(key); ok && i < len(source.elems) {
			return source.elems[i]
		}
	case *object:
		return source.get(&m.meter, key)
	case *set:
		if source.has(&m.meter, key) {
			return key
		}
	}
	return nil
}

// length compiles
//
//	LenStmt represents a length() operation on a local variable. The result is stored in the target local variable.
func (c *functionCompiler) length(s *ir.LenStmt) op {
	source, place := c.operand(s.Source), placeOf(s.Target)
	return func(_ *Machine, frame []any) int {
		n := length(source.get(frame))
		if n < 0 {
			return 1
		}
		frame[place] = int64(n)
		return 0
	}
}
