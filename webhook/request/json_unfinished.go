package request

import "sync"

// unfinished has what is read of the arrays and objects that have not ended, the innermost last. How
// many elements they have is known only at their end, and a map that grows is filled twice.
type unfinished struct {
	members  []member
	elements []any
}

type member struct {
	name  string
	value any
}

// unfinishedPool has the memory of requests that are read. It refers to nothing of their objects.
var unfinishedPool = sync.Pool{New: func() any { return &unfinished{} }}

// maxPooled is how many members or elements are kept room for.
const maxPooled = 1024

func takeUnfinished() *unfinished {
	u, _ := unfinishedPool.Get().(*unfinished)
	return u
}

// release makes u available to other requests.
func (u *unfinished) release() {
	if cap(u.members) > maxPooled || cap(u.elements) > maxPooled {
		return
	}
	clear(u.members[:cap(u.members)])
	clear(u.elements[:cap(u.elements)])
	u.members, u.elements = u.members[:0], u.elements[:0]
	unfinishedPool.Put(u)
}

// unfinishedObject is an object whose members are read.
type unfinishedObject struct {
	*unfinished
	// from is the index of the first member, unless many has them.
	from int
	many map[string]any
}

// maxCompared is the number of members up to which the names of an object are compared one by one.
const maxCompared = 16

func (u *unfinished) beginObject() unfinishedObject {
	return unfinishedObject{unfinished: u, from: len(u.members)}
}

// set sets a member, and reports whether it had been set before.
func (o *unfinishedObject) set(name string, value any) (twice bool) {
	if o.many != nil {
		before := len(o.many)
		o.many[name] = value
		return len(o.many) == before
	}
	own := o.members[o.from:]
	for i := range own {
		if own[i].name == name {
			own[i].value = value
			return true
		}
	}
	if len(own) == maxCompared {
		o.many = o.take(4 * maxCompared)
		o.many[name] = value
		return false
	}
	o.members = append(o.members, member{name, value})
	return false
}

// end returns the object.
func (o *unfinishedObject) end() map[string]any {
	if o.many != nil {
		return o.many
	}
	return o.take(len(o.members) - o.from)
}

// take makes a map of the members, with room for as many as are expected.
func (o *unfinishedObject) take(expected int) map[string]any {
	own := o.members[o.from:]
	object := make(map[string]any, expected)
	for i := range own {
		object[own[i].name] = own[i].value
	}
	o.members = o.members[:o.from]
	return object
}
