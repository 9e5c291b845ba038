package compile

import (
	"encoding/json"
	"hash/maphash"
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
			if other, ok := list[i].(string); ok && len(other) == len(text) && m.equalTexts(other, text) {
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

// seed makes hashes those of this process, so that nobody can write values that collide. Equal values have one hash in all
// programs and machines, which share constants.
var seed = maphash.MakeSeed()

// hash returns the same hash for equal values. How many steps it takes depends on the value alone, and so does how many a
// table takes: values that differ have different hashes, but for numbers that are equal as a float64.
func (m *meter) hash(v any) uint64 {
	m.step(1)
	switch v := v.(type) {
	case string:
		m.read(len(v))
		return maphash.String(seed, v)
	case int64, float64:
		return mix(kindNumber, hashNumber(v))
	case json.Number:
		m.read(len(v))
		return mix(kindNumber, hashNumber(v))
	case bool:
		if v {
			return mix(kindBool, 1)
		}
		return mix(kindBool, 0)
	case []any:
		return m.hashList(v)
	case *array:
		return m.hashList(v.elems)
	case *set: // in any order
		sum := uint64(0)
		for _, element := range v.elems {
			sum += m.hash(element)
		}
		return mix(kindSet, sum)
	case map[string]any:
		sum := uint64(0)
		names := m.names(v)
		for _, name := range names { // in order, or an evaluation would stop at one step or another
			sum += mix(m.hash(name), m.hash(canon(v[name])))
		}
		m.done(names)
		return mix(kindObject, sum)
	case *object:
		sum := uint64(0)
		for i, key := range v.keys {
			sum += mix(m.hash(key), m.hash(v.values[i]))
		}
		return mix(kindObject, sum)
	case Document:
		sum := uint64(0)
		for _, name := range v.Names() {
			sum += mix(m.hash(name), m.hash(canon(v.Get(name))))
		}
		return mix(kindObject, sum)
	}
	return mix(kindNull, 0)
}

func (m *meter) hashList(elems []any) uint64 {
	h := mix(kindArray, 0)
	for _, element := range elems {
		h = mix(h, m.hash(canon(element)))
	}
	return h
}

// mix returns a hash of two parts in their order.
func mix(a, b uint64) uint64 { return maphash.Comparable(seed, [2]uint64{a, b}) }
