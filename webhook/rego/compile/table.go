package compile

import (
	"encoding/json"
)

// small is how many elements are looked through one by one before a table is made.
const small = 8

// table finds the place of a value among the elements of a set, or the keys of an object, by its hash. The zero
// table is for a few elements, which are looked through.
type table struct {
	// first is the last place with a hash, plus one, and next the one before it, plus one.
	first map[uint64]int32
	next  []int32
}

// find returns the place of a value in the list that the table is for, or -1.
func (t *table) find(m *meter, list []any, v any) int {
	if t.first == nil {
		return m.lookThrough(list, v)
	}
	for at := t.first[m.hash(v)]; at > 0; at = t.next[at-1] {
		m.step(1)
		if m.equal(list[at-1], v) {
			return int(at - 1)
		}
	}
	return -1
}

// lookThrough looks through a short list.
func (m *meter) lookThrough(list []any, v any) int {
	if text, ok := v.(string); ok {
		for i := range list {
			if other, ok := list[i].(string); ok && other == text {
				return i
			}
		}
		return -1
	}
	for i := range list {
		if m.equal(list[i], v) {
			return i
		}
	}
	return -1
}

// added takes note of the last element of a list.
func (t *table) added(m *meter, list []any) {
	switch {
	case t.first != nil:
		t.enter(m, list[len(list)-1])
	case len(list) > small:
		m.alloc(4 * slot * len(list))
		t.fill(m, list)
	}
}

func (t *table) fill(m *meter, list []any) {
	t.first, t.next = make(map[uint64]int32, 2*len(list)), make([]int32, 0, 2*len(list))
	for _, element := range list {
		t.enter(m, element)
	}
}

func (t *table) enter(m *meter, v any) {
	hash := m.hash(v)
	t.next = append(t.next, t.first[hash])
	t.first[hash] = int32(len(t.next))
}

// put sets a member. The first key of equal ones stays, as in OPA.
func (o *object) put(m *meter, key, value any) {
	if at := o.table.find(m, o.keys, key); at >= 0 {
		o.values[at] = value
		return
	}
	m.alloc(6 * slot)
	o.keys, o.values = append(o.keys, key), append(o.values, value)
	o.ordered = false
	o.table.added(m, o.keys)
}

func (o *object) get(m *meter, key any) any {
	if at := o.table.find(m, o.keys, key); at >= 0 {
		return o.values[at]
	}
	return nil
}

// add adds an element, unless there is an equal one.
func (s *set) add(m *meter, v any) {
	if s.table.find(m, s.elems, v) >= 0 {
		return
	}
	m.alloc(4 * slot)
	s.elems = append(s.elems, v)
	s.sorted = nil
	s.table.added(m, s.elems)
}

func (s *set) has(m *meter, v any) bool { return s.table.find(m, s.elems, v) >= 0 }

const (
	hashSeed  = 14695981039346656037
	hashPrime = 1099511628211
)

// hash returns the same hash for equal values. It is the same in every process, so that the number of steps is:
// whoever makes values collide pays for each comparison.
func (m *meter) hash(v any) uint64 {
	m.step(1)
	h := uint64(hashSeed) ^ uint64(kindOf(v)+2) // small and positive
	mix := func(part uint64) { h = (h ^ part) * hashPrime }
	switch v := v.(type) {
	case string:
		m.read(len(v))
		for i := range len(v) {
			h = (h ^ uint64(v[i])) * hashPrime
		}
	case bool:
		if v {
			mix(1)
		}
	case int64, float64, json.Number:
		mix(hashNumber(v))
	case []any:
		for _, element := range v {
			mix(m.hash(canon(element)))
		}
	case *array:
		for _, element := range v.elems {
			mix(m.hash(element))
		}
	case *set: // in any order
		sum := uint64(0)
		for _, element := range v.elems {
			sum += m.hash(element)
		}
		mix(sum)
	case map[string]any:
		sum := uint64(0)
		names := m.names(v)
		for _, name := range names { // in order, or an evaluation would stop at one step or another
			sum += m.hash(name)*hashPrime ^ m.hash(canon(v[name]))
		}
		m.done(names)
		mix(sum)
	case *object:
		sum := uint64(0)
		for i, key := range v.keys {
			sum += m.hash(key)*hashPrime ^ m.hash(v.values[i])
		}
		mix(sum)
	case Document:
		sum := uint64(0)
		for _, name := range v.Names() {
			sum += m.hash(name)*hashPrime ^ m.hash(canon(v.Get(name)))
		}
		mix(sum)
	}
	return h
}
