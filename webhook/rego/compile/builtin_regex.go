package compile

import (
	"regexp/syntax"
	"strings"
)

// patternOf is which argument of a function is the regular expression.
var patternOf = map[string]int{
	"regex.match": 0, "regex.find_n": 0, "regex.split": 0, "regex.find_all_string_submatch_n": 0, "regex.replace": 1,
}

// regexAnd returns the regular expression of a call and the text to look at. ok is false if they are not what they
// must be.
func (m *Machine) regexAnd(call *builtinCall, pattern, in any) (r *regex, text string, ok bool) {
	expression, isText := pattern.(string)
	text, ok = in.(string)
	if !isText || !ok {
		return nil, "", false
	}
	if r = call.regex; r == nil {
		r = m.regexOf(expression)
	}
	return r, text, r.re != nil
}

func regexMatch(m *Machine, call *builtinCall, a, b, _ any) any {
	r, text, ok := m.regexAnd(call, a, b)
	if !ok {
		return call.opa(m, a, b)
	}
	m.step(r.scan(len(text)))
	return r.re.MatchString(text)
}

// regexIsValid parses a pattern and, like OPA, does not compile it.
func regexIsValid(m *Machine, _ *builtinCall, a, _, _ any) any {
	text, ok := a.(string)
	if !ok {
		return false
	}
	m.read(len(text))
	m.countParsing(text)
	_, err := syntax.Parse(text, syntax.Perl)
	return err == nil
}

// cheap is how many steps may be counted after they were taken.
const cheap = 1_000

// matches returns up to most matches with their groups, all if most is negative. The search for one may look at all of
// the text that is left. Unless that is cheap in any case, it is counted before it is done: twice as many matches are
// looked for each time.
func (m *Machine) matches(r *regex, text string, most int64) [][]int {
	limit := len(text) + 1
	if most >= 0 {
		limit = int(min(most, int64(limit)))
	}
	groups, scan := 2*(1+r.re.NumSubexp()), r.scan(len(text))
	switch {
	case (1+limit)*scan <= cheap:
		all := r.re.FindAllStringSubmatchIndex(text, limit)
		m.step((1 + len(all)) * scan)
		m.alloc(8 * groups * len(all))
		return all
	case r.plain:
		m.step(4 * scan)
		return m.search(r, text, limit, groups, 0)
	case r.longest >= 0:
		m.step(r.scan(clip(len(text) + clip(limit*min(r.longest, len(text))))))
		return m.search(r, text, limit, groups, 0)
	}
	return m.search(r, text, limit, groups, scan)
}

// search looks for twice as many matches each time, each of which takes a number of steps.
func (m *Machine) search(r *regex, text string, limit, groups, steps int) [][]int {
	for n := 1; ; n = 2 * n {
		n = min(n, limit)
		m.step(clip(max(n, 1) * steps))
		m.alloc(8 * groups * n)
		if all := r.re.FindAllStringSubmatchIndex(text, n); len(all) < n || n == limit {
			return all
		}
	}
}

func regexFind(m *Machine, call *builtinCall, a, b, c any) any {
	r, text, ok := m.regexAnd(call, a, b)
	m.readNumbers(c)
	most, isInt := toInt(c)
	if !ok || !isInt {
		return call.opa(m, a, b, c)
	}
	found := m.matches(r, text, most)
	m.alloc(2 * slot * len(found))
	all := &array{elems: make([]any, len(found))}
	for i, at := range found {
		all.elems[i] = text[at[0]:at[1]]
	}
	return all
}

func regexFindSubmatch(m *Machine, call *builtinCall, a, b, c any) any {
	r, text, ok := m.regexAnd(call, a, b)
	m.readNumbers(c)
	most, isInt := toInt(c)
	if !ok || !isInt {
		return call.opa(m, a, b, c)
	}
	found := m.matches(r, text, most)
	groups := 1 + r.re.NumSubexp()
	m.alloc((2 + 2*groups) * slot * len(found))
	all := &array{elems: make([]any, len(found))}
	for i, at := range found {
		match := &array{elems: make([]any, groups)}
		for j := range groups {
			match.elems[j] = ""
			if at[2*j] >= 0 {
				match.elems[j] = text[at[2*j]:at[2*j+1]]
			}
		}
		all.elems[i] = match
	}
	return all
}

func regexSplit(m *Machine, call *builtinCall, a, b, _ any) any {
	r, text, ok := m.regexAnd(call, a, b)
	if !ok {
		return call.opa(m, a, b)
	}
	found := m.matches(r, text, -1)
	m.alloc(3 * slot * (1 + len(found)))
	parts := r.re.Split(text, -1)
	all := &array{elems: make([]any, len(parts))}
	for i, part := range parts {
		all.elems[i] = part
	}
	return all
}

func regexReplace(m *Machine, call *builtinCall, a, b, c any) any {
	r, text, ok := m.regexAnd(call, b, a)
	with, isText := c.(string)
	if !ok || !isText {
		return call.opa(m, a, b, c)
	}
	found := m.matches(r, text, -1)
	if len(found) == 0 {
		return a
	}
	// Each $ may stand for all that was matched.
	total, references := len(text), strings.Count(with, "$")
	for _, at := range found {
		total += len(with) + references*(at[1]-at[0])
	}
	m.alloc(total)
	var result []byte
	last := 0
	for _, at := range found {
		result = append(result, text[last:at[0]]...)
		result = r.re.ExpandString(result, with, text, at)
		last = at[1]
	}
	return string(append(result, text[last:]...))
}
