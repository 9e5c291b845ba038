package compile

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// equal reports whether two values are equal. Like compare it counts what it goes through: two small values can take
// very long to compare if they share their parts, as b := [a, a]; c := [b, b] and so on do.
func (m *meter) equal(a, b any) bool {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return ok && len(x) == len(y) && m.equalTexts(x, y)
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case int64:
		switch y := b.(type) {
		case int64:
			return x == y
		case float64, json.Number:
			return m.compare(a, b) == 0
		}
		return false
	}
	if kindOf(a) != kindOf(b) {
		return false
	}
	if n := length(a); n >= 0 && n != length(b) {
		return false
	}
	return m.compare(a, b) == 0
}

func (m *meter) equalTexts(x, y string) bool {
	if len(x) >= perStep {
		m.read(len(x))
	}
	return x == y
}

// compare orders values as OPA does: null, booleans, numbers, strings, arrays, objects, sets.
func (m *meter) compare(a, b any) int {
	kind := kindOf(a)
	if other := kindOf(b); kind != other {
		return cmp.Compare(kind, other)
	}
	m.step(1)
	switch kind {
	case kindBool:
		return compareBools(a.(bool), b.(bool))
	case kindNumber:
		m.readNumbers(a, b)
		return compareNumbers(a, b)
	case kindString:
		x, y := a.(string), b.(string)
		m.read(min(len(x), len(y)))
		return strings.Compare(x, y)
	case kindArray:
		x, _ := elements(a)
		y, _ := elements(b)
		return m.compareLists(x, y)
	case kindObject:
		return m.compareObjects(m.members(a), m.members(b))
	case kindSet:
		return m.compareLists(a.(*set).inOrder(m), b.(*set).inOrder(m))
	}
	return 0
}

func compareBools(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

func (m *meter) compareLists(x, y []any) int {
	for i := range min(len(x), len(y)) {
		if c := m.compare(canon(x[i]), canon(y[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

func (m *meter) compareObjects(x, y *object) int {
	for i := range min(len(x.keys), len(y.keys)) {
		if c := m.compare(x.keys[i], y.keys[i]); c != 0 {
			return c
		}
		if c := m.compare(x.values[i], y.values[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x.keys), len(y.keys))
}

// inOrder returns the elements in order. They must not be changed.
func (s *set) inOrder(m *meter) []any {
	if s.sorted == nil && len(s.elems) > 0 {
		s.sorted = m.sorted(s.elems)
	}
	return s.sorted
}

// sorted returns the elements in order: the same slice if they are.
func (m *meter) sorted(elems []any) []any {
	if slices.IsSortedFunc(elems, m.compare) {
		return slices.Clip(elems)
	}
	m.alloc(slot * len(elems))
	elems = slices.Clone(elems)
	slices.SortFunc(elems, m.compare)
	return elems
}

// inOrder returns an object with the same members in order.
func (o *object) inOrder(m *meter) *object {
	if o.ordered {
		return o
	}
	if slices.IsSortedFunc(o.keys, m.compare) {
		o.ordered = true
		return o
	}
	if o.table.first == nil {
		m.sortFew(o)
		return o
	}
	m.alloc(3 * slot * len(o.keys))
	order := make([]int, len(o.keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return m.compare(o.keys[i], o.keys[j]) })
	sorted := &object{keys: make([]any, len(order)), values: make([]any, len(order)), ordered: true}
	for i, at := range order {
		sorted.keys[i], sorted.values[i] = o.keys[at], o.values[at]
	}
	return sorted
}

// sortFew sorts the members of a small object in place. Nothing else knows their places.
func (m *meter) sortFew(o *object) {
	for i := range o.keys {
		for j := i; j > 0 && m.compare(o.keys[j-1], o.keys[j]) > 0; j-- {
			o.keys[j-1], o.keys[j] = o.keys[j], o.keys[j-1]
			o.values[j-1], o.values[j] = o.values[j], o.values[j-1]
		}
	}
	o.ordered = true
}

// members returns an object of any representation with its members in order.
func (m *meter) members(v any) *object {
	switch v := v.(type) {
	case *object:
		return v.inOrder(m)
	case map[string]any:
		m.alloc(2 * slot * len(v))
		o := &object{keys: make([]any, 0, len(v)), values: make([]any, 0, len(v)), ordered: true}
		names := m.names(v)
		for _, name := range names {
			o.keys, o.values = append(o.keys, name), append(o.values, canon(v[name]))
		}
		m.done(names)
		return o
	case Document:
		names := v.Names()
		m.alloc(2 * slot * len(names))
		o := &object{keys: make([]any, 0, len(names)), values: make([]any, 0, len(names)), ordered: true}
		for _, name := range names {
			o.keys, o.values = append(o.keys, name), append(o.values, canon(v.Get(name)))
		}
		return o
	}
	return &object{ordered: true}
}

// names returns the names of the members in order. Go has no order of its own for them, and the order must not
// change what a policy finds or how many steps it takes. They must be given back with done, the last ones first.
func (m *meter) names(members map[string]any) []string {
	m.step(len(members))
	from := len(m.lent)
	for name := range members {
		m.lent = append(m.lent, name)
	}
	names := m.lent[from:len(m.lent):len(m.lent)]
	slices.Sort(names)
	return names
}

// done takes back what names has returned.
func (m *meter) done(names []string) { m.lent = m.lent[:len(m.lent)-len(names)] }
