package compile

import (
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/open-policy-agent/opa/v1/ir"
)

// The results of functions that are expensive and depend on their arguments alone are remembered for the length of an
// evaluation, as in OPA: a Pod's containers are often alike, and without it a chain of functions that each call the
// next one twice would grow exponentially.
//
// Two lists of arguments have the same key only if they are equal and have the same representation. A call with
// arguments that are long to write is not remembered.
const (
	// maxKey is how long a key may be, in bytes.
	maxKey = 1024
	// expensive is the cost of a function from which on its results may be remembered, and slowSteps what a call must
	// have taken for it.
	expensive = 64
	slowSteps = 100
)

// costOf estimates how expensive a call of a function is, in statements.
func (p *Program) costOf(fn *ir.Func) int {
	total := 0
	eachStatement(fn.Blocks, func(_ *ir.Block, s ir.Stmt) {
		total++
		switch s := s.(type) {
		case *ir.ScanStmt:
			total += 8
		case *ir.CallStmt:
			if callee := p.byName[s.Func]; callee != nil {
				total += callee.cost
			} else if _, isPattern := patternOf[s.Func]; isPattern {
				total += 32
			}
		}
	})
	return min(total, 1<<20)
}

// remembered returns the key of a call whose arguments are in a frame, and its result if it is known. The key is nil if
// the call is not remembered.
func (m *Machine) remembered(fn *function, frame []any, params []int) (key []byte, value any) {
	key = binary.AppendUvarint(m.key[:0], uint64(fn.number)) // not negative
	for _, param := range params {
		if key = m.appendKey(key, frame[param]); key == nil {
			return nil, nil
		}
	}
	m.key = key
	m.step(1 + len(key)/perStep)
	return key, m.results[string(key)]
}

// remember keeps the result of a call.
func (m *Machine) remember(key string, value any) {
	m.alloc(len(key) + 6*slot)
	if m.results == nil {
		m.results = map[string]any{}
	}
	if value == nil {
		value = undefined
	}
	m.results[key] = value
}

// appendKey appends a value to a key, or returns nil if that becomes too long.
func (m *Machine) appendKey(key []byte, v any) []byte {
	if len(key) > maxKey {
		return nil
	}
	switch v := v.(type) {
	case string:
		if len(v) > maxKey {
			return nil
		}
		return append(binary.AppendUvarint(append(key, 's'), uint64(len(v))), v...)
	case int64:
		return binary.AppendVarint(append(key, 'i'), v)
	case bool:
		if v {
			return append(key, 't')
		}
		return append(key, 'f')
	case Null:
		return append(key, 'n')
	case float64:
		return binary.BigEndian.AppendUint64(append(key, 'd'), math.Float64bits(v))
	case json.Number:
		if len(v) > maxKey {
			return nil
		}
		return append(binary.AppendUvarint(append(key, 'j'), uint64(len(v))), v...)
	case []any:
		return m.appendList(append(key, 'a'), v)
	case *array:
		return m.appendList(append(key, 'a'), v.elems)
	case *set:
		if len(v.elems) > maxKey/2 {
			return nil
		}
		return m.appendList(append(key, 'u'), v.inOrder(&m.meter))
	case map[string]any:
		return m.appendMembers(append(key, 'o'), v)
	}
	return nil // a Document has too much in it, and the others are rare
}

func (m *Machine) appendMembers(key []byte, members map[string]any) []byte {
	if len(members) > maxKey/4 {
		return nil
	}
	key = binary.AppendUvarint(key, uint64(len(members)))
	names := m.names(members)
	for _, name := range names {
		if key = m.appendKey(key, name); key != nil {
			key = m.appendKey(key, canon(members[name]))
		}
		if key == nil {
			break
		}
	}
	m.done(names)
	return key
}

func (m *Machine) appendList(key []byte, elems []any) []byte {
	key = binary.AppendUvarint(key, uint64(len(elems)))
	for _, element := range elems {
		if key = m.appendKey(key, canon(element)); key == nil {
			return nil
		}
	}
	return key
}
