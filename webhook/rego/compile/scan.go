package compile

import (
	"github.com/open-policy-agent/opa/v1/ir"
)

// scan compiles
//
//	ScanStmt represents a linear scan over a composite value. The source may be a scalar in which case the block will
//	never execute.
//
// A scan is two blocks deep: leaving one goes on with the next element, and leaving two ends the scan. Elements and
// members come in order, as in OPA: the order shows in arrays that are made of them, in which of several failures is
// reported, and in how many steps an evaluation takes that ends early.
func (c *functionCompiler) scan(s *ir.ScanStmt, depth int) (op, error) {
	source := c.local(s.Source)
	body, err := c.block(s.Block, depth+2)
	if err != nil {
		return nil, err
	}
	l := loop{
		body: body, key: placeOf(s.Key), value: placeOf(s.Value), weight: weigh(len(body)), keyed: c.analysis.of(s.Key).reads > 0,
	}
	if source.isConstant() && length(source.value) < 0 {
		return nil, nil
	}
	return func(m *Machine, frame []any) int {
		switch source := source.get(frame).(type) {
		case []any:
			return l.list(m, frame, source)
		case *array:
			return l.list(m, frame, source.elems)
		case *set:
			return l.elements(m, frame, source.inOrder(&m.meter))
		case map[string]any:
			return l.members(m, frame, source)
		case Document:
			return l.document(m, frame, source)
		case *object:
			return l.object(m, frame, source.inOrder(&m.meter))
		}
		return 0
	}, nil
}

// loop is the body of a scan, and the places of the locals that it assigns.
type loop struct {
	body       []op
	key, value int
	weight     int
	// keyed is true if the key is used.
	keyed bool
}

// once evaluates the body for one element. It returns how many blocks are left, counted from those of the scan.
func (l *loop) once(m *Machine, frame []any, key, value any) int {
	m.step(l.weight)
	frame[l.key], frame[l.value] = key, value
	return runBlock(l.body, m, frame)
}

func (l *loop) list(m *Machine, frame, elems []any) int {
	for i, element := range elems {
		var key any
		if l.keyed {
			key = int64(i)
		}
		if left := l.once(m, frame, key, canon(element)); left > 0 {
			return left - 1
		}
	}
	return 0
}

func (l *loop) elements(m *Machine, frame, elems []any) int {
	for _, element := range elems {
		if left := l.once(m, frame, element, element); left > 0 {
			return left - 1
		}
	}
	return 0
}

func (l *loop) object(m *Machine, frame []any, o *object) int {
	for i, key := range o.keys {
		if left := l.once(m, frame, key, o.values[i]); left > 0 {
			return left - 1
		}
	}
	return 0
}

func (l *loop) members(m *Machine, frame []any, members map[string]any) int {
	names := m.names(members)
	left := 0
	for _, name := range names {
		if left = l.once(m, frame, name, canon(members[name])); left > 0 {
			left--
			break
		}
	}
	m.done(names)
	return left
}

func (l *loop) document(m *Machine, frame []any, d Document) int {
	for _, name := range d.Names() {
		if left := l.once(m, frame, name, canon(d.Get(name))); left > 0 {
			return left - 1
		}
	}
	return 0
}
