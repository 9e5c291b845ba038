package compile

func objectGet(m *Machine, call *builtinCall, a, path, otherwise any) any {
	if kindOf(a) != kindObject {
		return call.opa(m, a, path, otherwise)
	}
	keys, ok := elements(path)
	if !ok {
		if value := m.lookup(a, path); value != nil {
			return value
		}
		return otherwise
	}
	for _, key := range keys {
		m.step(1)
		if a = m.lookup(a, canon(key)); a == nil {
			return otherwise
		}
	}
	return a
}

func objectKeys(m *Machine, call *builtinCall, a, _, _ any) any {
	if kindOf(a) != kindObject {
		return call.opa(m, a)
	}
	s := &set{}
	for _, key := range m.members(a).keys {
		s.add(&m.meter, key)
	}
	return s
}

func objectRemove(m *Machine, call *builtinCall, a, b, _ any) any {
	if kindOf(a) != kindObject {
		return call.opa(m, a, b)
	}
	gone := &set{}
	switch kindOf(b) {
	case kindSet:
		gone = b.(*set) // its kind says so
	case kindArray:
		keys, _ := elements(b)
		for _, key := range keys {
			gone.add(&m.meter, canon(key))
		}
	case kindObject:
		for _, key := range m.members(b).keys {
			gone.add(&m.meter, key)
		}
	default:
		return call.opa(m, a, b)
	}
	o := &object{}
	members := m.members(a)
	for i, key := range members.keys {
		m.step(1)
		if !gone.has(&m.meter, key) {
			o.put(&m.meter, key, members.values[i])
		}
	}
	return o
}

func objectUnion(m *Machine, call *builtinCall, a, b, _ any) any {
	if kindOf(a) != kindObject || kindOf(b) != kindObject {
		return call.opa(m, a, b)
	}
	return m.union(a, b)
}

// objectUnionN unites objects from the first to the last. One at a time gives what OPA makes of all at once.
func objectUnionN(m *Machine, call *builtinCall, a, _, _ any) any {
	objects, ok := m.list(a)
	if !ok {
		return call.opa(m, a)
	}
	for _, o := range objects {
		if kindOf(o) != kindObject {
			return call.opa(m, a)
		}
	}
	all := emptyObject
	for _, o := range objects {
		all = m.union(all, o)
	}
	return all
}

// objectSubset reports whether an object, a set or an array is a part of another one.
func objectSubset(m *Machine, call *builtinCall, whole, part, _ any) any {
	x, y := kindOf(whole), kindOf(part)
	switch {
	case x == y && (x == kindObject || x == kindSet || x == kindArray):
		return m.contains(whole, part)
	case x == kindArray && y == kindSet:
		return m.containsAll(whole, part.(*set))
	}
	return call.opa(m, whole, part)
}

// contains is objectSubset for values of one kind. Members of an object may be subsets themselves.
func (m *Machine) contains(whole, part any) bool {
	switch kindOf(part) {
	case kindObject:
		members := m.members(part)
		for i, key := range members.keys {
			m.step(1)
			value := m.lookup(whole, key)
			if value == nil {
				return false
			}
			if m.equal(value, members.values[i]) {
				continue
			}
			if kind := kindOf(value); kind != kindOf(members.values[i]) || length(value) < 0 || !m.contains(value, members.values[i]) {
				return false
			}
		}
		return true
	case kindSet:
		in, ok := whole.(*set)
		if !ok {
			return false
		}
		for _, element := range part.(*set).elems {
			m.step(1)
			if !in.has(&m.meter, element) {
				return false
			}
		}
		return true
	}
	return m.containsList(whole, part)
}

// containsList reports whether the elements of an array follow one another in another one. Like OPA, it goes on
// behind the element at which a partial match has failed.
func (m *Machine) containsList(whole, part any) bool {
	x, _ := elements(whole)
	y, _ := elements(part)
	if len(y) > len(x) {
		return false
	}
	from, matched := 0, 0
	for matched < len(y) {
		m.step(1)
		if from+matched == len(x) {
			return false
		}
		if m.equal(canon(x[from+matched]), canon(y[matched])) {
			matched++
			continue
		}
		from++
		matched = 0
	}
	return true
}

// containsAll reports whether an array has all elements of a set. OPA counts an element once for each time that it is
// in the array, and takes an empty set for no part of an array whose elements are not in it.
func (m *Machine) containsAll(whole any, part *set) bool {
	elems, _ := elements(whole)
	missing := len(part.elems)
	for _, element := range elems {
		m.step(1)
		if part.has(&m.meter, canon(element)) {
			missing--
		}
		if missing == 0 {
			return true
		}
	}
	return false
}
