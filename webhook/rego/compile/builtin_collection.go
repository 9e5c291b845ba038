package compile

import (
	"slices"
	"unicode/utf8"
)

func count(m *Machine, call *builtinCall, a, _, _ any) any {
	if text, ok := a.(string); ok {
		m.read(len(text))
		return int64(utf8.RuneCountInString(text))
	}
	if n := length(a); n >= 0 {
		return int64(n)
	}
	return call.opa(m, a)
}

// elementsOf returns the elements of an array, or of a set in order.
func (m *Machine) elementsOf(v any) ([]any, bool) {
	if s, ok := v.(*set); ok {
		return s.inOrder(&m.meter), true
	}
	return elements(v)
}

// extreme returns the largest or the smallest element. Of equal ones it is the last, as in OPA.
func extreme(sign int) implementation {
	return func(m *Machine, call *builtinCall, a, _, _ any) any {
		elems, ok := m.elementsOf(a)
		if !ok {
			return call.opa(m, a)
		}
		var best any
		for _, element := range elems {
			element = canon(element)
			if best == nil || sign*m.compare(element, best) >= 0 {
				best = element
			}
		}
		return best
	}
}

func sortElements(m *Machine, call *builtinCall, a, _, _ any) any {
	elems, ok := m.elementsOf(a)
	if !ok {
		return call.opa(m, a)
	}
	m.alloc(slot * len(elems))
	sorted := make([]any, len(elems))
	for i, element := range elems {
		sorted[i] = canon(element)
	}
	if _, isSet := a.(*set); !isSet {
		slices.SortFunc(sorted, m.compare)
	}
	return &array{elems: sorted}
}

func member(m *Machine, _ *builtinCall, x, in, _ any) any {
	if s, ok := in.(*set); ok {
		return s.has(&m.meter, x)
	}
	if elems, ok := elements(in); ok {
		for _, element := range elems {
			m.step(1)
			if m.equal(canon(element), x) {
				return true
			}
		}
		return false
	}
	if kindOf(in) == kindObject {
		for _, value := range m.members(in).values {
			m.step(1)
			if m.equal(value, x) {
				return true
			}
		}
	}
	return false
}

func memberWithKey(m *Machine, _ *builtinCall, key, x, in any) any {
	if s, ok := in.(*set); ok {
		return s.has(&m.meter, key) && m.equal(key, x)
	}
	value := m.lookup(in, key)
	return value != nil && m.equal(value, x)
}

// list returns the elements of an array as values.
func (m *Machine) list(v any) ([]any, bool) {
	elems, ok := elements(v)
	if !ok {
		return nil, false
	}
	if _, made := v.(*array); made {
		return elems, true
	}
	m.alloc(slot * len(elems))
	values := make([]any, len(elems))
	for i, element := range elems {
		values[i] = canon(element)
	}
	return values, true
}

func arrayConcat(m *Machine, call *builtinCall, a, b, _ any) any {
	x, ok := m.list(a)
	y, also := m.list(b)
	if !ok || !also {
		return call.opa(m, a, b)
	}
	if len(x) == 0 {
		return b
	}
	if len(y) == 0 {
		return a
	}
	m.alloc(slot * (len(x) + len(y)))
	return &array{elems: slices.Concat(x, y)}
}

func arraySlice(m *Machine, call *builtinCall, a, b, c any) any {
	elems, ok := elements(a)
	m.readNumbers(b, c)
	from, isFrom := toInt(b)
	to, isTo := toInt(c)
	if !ok || !isFrom || !isTo {
		return call.opa(m, a, b, c)
	}
	to = min(max(to, 0), int64(len(elems)))
	from = min(max(from, 0), to)
	if from == 0 && to == int64(len(elems)) {
		return a
	}
	values, _ := m.list(&array{elems: elems[from:to]})
	m.alloc(slot * len(values))
	part := make([]any, len(values))
	for i, element := range values {
		part[i] = canon(element)
	}
	return &array{elems: part}
}

func arrayReverse(m *Machine, call *builtinCall, a, _, _ any) any {
	elems, ok := m.list(a)
	if !ok {
		return call.opa(m, a)
	}
	m.alloc(slot * len(elems))
	reversed := slices.Clone(elems)
	slices.Reverse(reversed)
	return &array{elems: reversed}
}

func arrayFlatten(m *Machine, call *builtinCall, a, _, _ any) any {
	elems, ok := m.list(a)
	if !ok {
		return call.opa(m, a)
	}
	flat := &array{}
	for _, element := range elems {
		if inner, ok := m.list(element); ok {
			m.alloc(2 * slot * len(inner))
			flat.elems = append(flat.elems, inner...)
			continue
		}
		m.alloc(2 * slot)
		flat.elems = append(flat.elems, element)
	}
	return flat
}

// intersect returns the elements that are in both sets.
func intersect(m *Machine, call *builtinCall, a, b, _ any) any {
	x, ok := a.(*set)
	y, also := b.(*set)
	if !ok || !also {
		return call.opa(m, a, b)
	}
	if len(y.elems) < len(x.elems) {
		x, y = y, x
	}
	s := &set{}
	for _, element := range x.elems {
		m.step(1)
		if y.has(&m.meter, element) {
			s.add(&m.meter, element)
		}
	}
	return s
}

func unite(m *Machine, call *builtinCall, a, b, _ any) any {
	x, ok := a.(*set)
	y, also := b.(*set)
	if !ok || !also {
		return call.opa(m, a, b)
	}
	return m.uniteSets([]*set{x, y})
}

func (m *Machine) uniteSets(sets []*set) any {
	s := &set{}
	for _, part := range sets {
		for _, element := range part.elems {
			m.step(1)
			s.add(&m.meter, element)
		}
	}
	return s
}

// setsIn returns the sets that a set has as elements.
func setsIn(v any, m *Machine) ([]*set, bool) {
	outer, ok := v.(*set)
	if !ok {
		return nil, false
	}
	m.step(len(outer.elems))
	sets := make([]*set, 0, len(outer.elems))
	for _, element := range outer.inOrder(&m.meter) {
		inner, ok := element.(*set)
		if !ok {
			return nil, false
		}
		sets = append(sets, inner)
	}
	return sets, true
}

func uniteAll(m *Machine, call *builtinCall, a, _, _ any) any {
	sets, ok := setsIn(a, m)
	if !ok {
		return call.opa(m, a)
	}
	return m.uniteSets(sets)
}

func intersectAll(m *Machine, call *builtinCall, a, _, _ any) any {
	sets, ok := setsIn(a, m)
	if !ok {
		return call.opa(m, a)
	}
	if len(sets) == 0 {
		return emptySet
	}
	var common any = sets[0]
	for _, s := range sets[1:] {
		common = intersect(m, call, common, s, nil)
	}
	return common
}
