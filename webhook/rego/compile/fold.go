package compile

import "context"

// foldBudget limits what is computed of a program when it is compiled: compiling must not take as long as an
// evaluation that is stopped would. Bytes limits what a program keeps of it.
var foldBudget = Budget{Steps: 200_000, Bytes: 1 << 20}

// patternBudget limits parsing the patterns of a program.
var patternBudget = Budget{Steps: 200_000, Bytes: 4 << 20}

// folder computes at compile time what does not depend on the input. Whatever it cannot compute within its budget,
// or without an error, is left to the evaluation, which counts and reports it.
type folder struct {
	machine Machine
	// left is what the whole program may still use.
	left Budget
	// patterns is what parsing patterns may still use, and kept the size of those that were compiled.
	patterns Budget
	kept     int
	off      bool
}

func newFolder(off bool) *folder { return &folder{left: foldBudget, patterns: patternBudget, off: off} }

// pattern returns a regular expression that is a constant, compiled. It returns nil for one that is too large for that:
// evaluations compile it, and count that.
func (f *folder) pattern(text string) *regex {
	if f.off {
		return nil
	}
	parse := parsing(text)
	if f.patterns.Steps -= parse.Steps; f.patterns.Steps < 0 {
		return nil
	}
	if f.patterns.Bytes -= parse.Bytes; f.patterns.Bytes < 0 {
		return nil
	}
	r := parseRegex(text)
	if r.size > maxPatterns/2 || f.kept+r.size > maxPatterns {
		return nil
	}
	f.kept += r.size
	r.compile(text)
	return r
}

// try computes a value. It returns nil if that fails.
func (f *folder) try(p *Program, compute func(*Machine) any) *constant {
	if f.off || f.left.Steps <= 0 || f.left.Bytes <= 0 {
		return nil
	}
	m := &f.machine
	if p != nil {
		m.prepare(context.Background(), p, f.left)
	} else {
		m.begin(context.Background(), f.left)
		m.failure = nil
	}
	value, err := m.protect(func() any { return m.freeze(compute(m)) })
	f.left.Steps -= m.used.Steps
	f.left.Bytes -= m.used.Bytes
	if err != nil {
		return nil
	}
	return &constant{value: value}
}

// call evaluates a pure function for constant arguments.
func (f *folder) call(p *Program, fn *function, args []any) *constant {
	return f.try(p, func(m *Machine) any {
		if len(m.stack) < fn.depth {
			m.stack = make([]any, fn.depth)
		}
		frame := m.enter(fn)
		for i, arg := range args {
			frame[fn.params[i+2]] = arg
		}
		return m.run(fn, frame)
	})
}

// builtin evaluates a built-in function for constant arguments.
func (f *folder) builtin(b *builtinCall, args []any) *constant {
	return f.try(nil, func(m *Machine) any { return b.evaluate(m, args) })
}

// lookup returns a member of a constant.
func (f *folder) lookup(source, key any) (value any, known bool) {
	return f.known(func(m *Machine) any { return m.lookup(source, key) })
}

// equal compares constants.
func (f *folder) equal(a, b any) (same, known bool) {
	value, known := f.known(func(m *Machine) any { return m.equal(a, b) })
	same, _ = value.(bool)
	return same, known
}

func (f *folder) literal(l *literal) (value any, known bool) {
	return f.known(func(m *Machine) any { return l.build(m, nil) })
}

func (f *folder) known(compute func(*Machine) any) (value any, known bool) {
	if found := f.try(nil, compute); found != nil {
		return found.value, true
	}
	return nil, false
}

// freeze makes a constant of a value from outside.
func (f *folder) freeze(v any) any {
	f.machine.begin(context.Background(), unlimited)
	return f.machine.freeze(v)
}

// freeze makes a constant of a value: it does now what is otherwise done when the value is first needed in order, so
// that nothing writes to it when goroutines share it.
func (m *Machine) freeze(v any) any {
	switch v := v.(type) {
	case *array:
		if v.frozen {
			return v
		}
		return m.freezeList(v.elems)
	case []any:
		return m.freezeList(v)
	case *object:
		if v.frozen {
			return v
		}
		frozen := &object{}
		sorted := v.inOrder(&m.meter)
		for i, key := range sorted.keys {
			frozen.put(&m.meter, m.freeze(key), m.freeze(sorted.values[i]))
		}
		frozen.ordered, frozen.frozen = true, true
		return frozen
	case map[string]any, Document:
		return m.freeze(m.members(v))
	case *set:
		if v.frozen {
			return v
		}
		frozen := &set{}
		for _, element := range v.inOrder(&m.meter) {
			frozen.add(&m.meter, m.freeze(element))
		}
		frozen.sorted, frozen.frozen = frozen.elems, true
		return frozen
	}
	return v
}

func (m *Machine) freezeList(elems []any) any {
	m.alloc(slot * len(elems))
	frozen := &array{elems: make([]any, len(elems)), frozen: true}
	for i, element := range elems {
		frozen.elems[i] = m.freeze(canon(element))
	}
	return frozen
}
