package compile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Named, so that the table of implementations reads like one of Rego.
var (
	containsText, hasPrefix, hasSuffix = strings.Contains, strings.HasPrefix, strings.HasSuffix
	toLower, toUpper, trimSpace        = strings.ToLower, strings.ToUpper, strings.TrimSpace
	trim, trimLeft, trimRight          = strings.Trim, strings.TrimLeft, strings.TrimRight
	trimPrefix, trimSuffix             = strings.TrimPrefix, strings.TrimSuffix
)

func textsTest(holds func(a, b string) bool) implementation {
	return func(m *Machine, call *builtinCall, a, b, _ any) any {
		x, ok := a.(string)
		y, also := b.(string)
		if !ok || !also {
			return call.opa(m, a, b)
		}
		m.read(len(x) + len(y))
		return holds(x, y)
	}
}

func textChange(change func(string) string) implementation {
	return func(m *Machine, call *builtinCall, a, _, _ any) any {
		text, ok := a.(string)
		if !ok {
			return call.opa(m, a)
		}
		m.alloc(3 * len(text)) // a letter may take three times the bytes in the other case
		if changed := change(text); changed != text {
			return changed
		}
		return a
	}
}

func textCut(cut func(text, what string) string) implementation {
	return func(m *Machine, call *builtinCall, a, b, _ any) any {
		text, ok := a.(string)
		what, also := b.(string)
		if !ok || !also {
			return call.opa(m, a, b)
		}
		m.step(len(text) / perStep * (1 + len(what)/perStep))
		m.read(len(what))
		if left := cut(text, what); len(left) != len(text) {
			return left
		}
		return a
	}
}

func concat(m *Machine, call *builtinCall, a, b, _ any) any {
	separator, ok := a.(string)
	elems, also := m.elementsOf(b)
	if !ok || !also {
		return call.opa(m, a, b)
	}
	return m.join(call, separator, elems, a, b)
}

func (m *Machine) join(call *builtinCall, separator string, elems []any, a, b any) any {
	total := 0
	m.step(len(elems))
	for _, element := range elems {
		text, ok := element.(string)
		if !ok {
			return call.opa(m, a, b)
		}
		total += len(text) + len(separator)
	}
	switch len(elems) {
	case 0:
		return ""
	case 1:
		return elems[0]
	}
	m.alloc(total)
	var text strings.Builder
	text.Grow(total - len(separator))
	for i, element := range elems {
		if i > 0 {
			text.WriteString(separator)
		}
		text.WriteString(element.(string)) // looked at above
	}
	return text.String()
}

func split(m *Machine, call *builtinCall, a, b, _ any) any {
	text, ok := a.(string)
	separator, also := b.(string)
	if !ok || !also {
		return call.opa(m, a, b)
	}
	m.read(len(text))
	n := strings.Count(text, separator) + 1
	m.alloc(3 * slot * n)
	parts := strings.Split(text, separator)
	all := &array{elems: make([]any, len(parts))}
	for i, part := range parts {
		all.elems[i] = part
	}
	return all
}

func replace(m *Machine, call *builtinCall, a, b, c any) any {
	text, ok := a.(string)
	from, isFrom := b.(string)
	to, isTo := c.(string)
	if !ok || !isFrom || !isTo {
		return call.opa(m, a, b, c)
	}
	m.read(len(text) + len(from))
	if from == "" { // OPA inserts at each byte
		m.alloc(3 * (len(text) + (1+len(text))*len(to)))
		return call.opa(m, a, b, c)
	}
	found := strings.Count(text, from)
	m.alloc(len(text) + found*max(0, len(to)-len(from)))
	if found == 0 {
		return a
	}
	return strings.ReplaceAll(text, from, to)
}

// replaceN counts each key for each place of the text at which it might begin: OPA looks keys up in a trie.
func replaceN(m *Machine, call *builtinCall, a, b, _ any) any {
	text, ok := b.(string)
	if !ok || kindOf(a) != kindObject {
		return call.opa(m, a, b)
	}
	members := m.members(a)
	longest, growth := 1, 1
	for i, key := range members.keys {
		from, _ := key.(string)
		to, _ := members.values[i].(string)
		longest, growth = max(longest, len(from)), max(growth, len(to))
	}
	m.step((1 + longest/perStep) * (1 + len(text)/8))
	if growth > 1 {
		m.alloc(len(text) * growth)
	}
	return call.opa(m, a, b)
}

func stringsCount(m *Machine, call *builtinCall, a, b, _ any) any {
	text, ok := a.(string)
	what, also := b.(string)
	if !ok || !also {
		return call.opa(m, a, b)
	}
	m.read(len(text) + len(what))
	return int64(strings.Count(text, what))
}

// isASCII reports whether characters are bytes.
func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] > unicode.MaxASCII {
			return false
		}
	}
	return true
}

func substring(m *Machine, call *builtinCall, a, b, c any) any {
	text, ok := a.(string)
	m.readNumbers(b, c)
	from, isFrom := toInt(b)
	length, isLength := toInt(c)
	if !ok || !isFrom || !isLength || from < 0 {
		return call.opa(m, a, b, c)
	}
	m.read(len(text))
	characters := len(text)
	ascii := isASCII(text)
	if !ascii {
		characters = utf8.RuneCountInString(text)
	}
	if from == 0 && length >= int64(characters) {
		return a // and not with replacements for what is not UTF-8
	}
	if from >= int64(characters) {
		return ""
	}
	to := int64(characters)
	if length >= 0 {
		to = from + min(length, to-from)
	}
	if ascii {
		return text[from:to]
	}
	m.alloc(5 * len(text))
	return string([]rune(text)[from:to])
}

// indexOf counts characters, and not bytes.
func indexOf(m *Machine, call *builtinCall, a, b, _ any) any {
	text, ok := a.(string)
	what, also := b.(string)
	if !ok || !also || what == "" || !utf8.ValidString(text) || !utf8.ValidString(what) {
		return call.opa(m, a, b)
	}
	m.step((len(text) + len(what)) / 8)
	at := strings.Index(text, what)
	if at > 0 && !isASCII(text[:at]) {
		return int64(utf8.RuneCountInString(text[:at]))
	}
	return int64(at)
}

// indexOfN finds places that overlap, too.
func indexOfN(m *Machine, call *builtinCall, a, b, _ any) any {
	text, ok := a.(string)
	what, also := b.(string)
	if !ok || !also || what == "" || !utf8.ValidString(text) || !utf8.ValidString(what) {
		return call.opa(m, a, b)
	}
	m.step((len(text) + len(what)) / 8)
	all := &array{}
	characters := 0
	for from := 0; ; {
		at := strings.Index(text[from:], what)
		if at < 0 {
			return all
		}
		m.alloc(3 * slot)
		m.read(len(what))
		characters += utf8.RuneCountInString(text[from : from+at])
		all.elems = append(all.elems, int64(characters))
		_, size := utf8.DecodeRuneInString(text[from+at:])
		from += at + size
		characters++
	}
}

// anyMatch compares each of the texts with each of the others.
func anyMatch(holds func(text, affix string) bool) implementation {
	return func(m *Machine, call *builtinCall, a, b, _ any) any {
		texts, ok := m.texts(a)
		affixes, also := m.texts(b)
		if !ok || !also {
			return call.opa(m, a, b)
		}
		for _, text := range texts {
			for _, affix := range affixes {
				m.step(1)
				m.read(len(affix.(string)))               // see texts
				if holds(text.(string), affix.(string)) { // see texts
					return true
				}
			}
		}
		return false
	}
}

// texts returns a text, or the elements of an array or a set if all of them are texts.
func (m *Machine) texts(v any) ([]any, bool) {
	if _, ok := v.(string); ok {
		return []any{v}, true
	}
	elems, ok := m.elementsOf(v)
	m.step(len(elems))
	for _, element := range elems {
		if _, isText := element.(string); !isText {
			return nil, false
		}
	}
	return elems, ok
}
