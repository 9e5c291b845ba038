package compile

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

func sprintf(m *Machine, call *builtinCall, a, b, _ any) any {
	format, ok := a.(string)
	elems, also := elements(b)
	if !ok || !also {
		return call.opa(m, a, b)
	}
	m.countFormat(format, elems)
	args := make([]any, len(elems))
	for i, element := range elems {
		args[i] = formatted(canon(element))
	}
	return fmt.Sprintf(format, args...)
}

// formatted returns a value as OPA passes it to fmt.Sprintf.
func formatted(v any) any {
	switch v := v.(type) {
	case string, int64:
		return v
	case float64, json.Number:
		text := numberText(v)
		if strings.ContainsAny(text, ".eE") {
			if f, ok := ast.Number(text).Float64(); ok {
				return f
			}
			return text
		}
		if n, ok := ast.Number(text).Int64(); ok {
			return n
		}
		if n, ok := new(big.Int).SetString(text, 10); ok {
			return n
		}
		return text
	}
	return ToAST(v).String()
}

// countFormat counts the text that is going to be made. Each argument is written once, or for each verb if they have
// indices; each verb may be as wide as its width; and some verbs write several characters for each of a text.
func (m *Machine) countFormat(format string, args []any) {
	m.read(len(format))
	m.step(len(args))
	total, largest, widest := 0, 0, 0
	verbs := verbsIn(format)
	for _, arg := range args {
		arg = canon(arg)
		m.readNumbers(arg)
		if kindOf(arg) >= kindArray {
			m.weigh(arg) // it is converted for OPA
		}
		size := verbs.growth*m.rendered(arg) + perArgument
		total, largest = total+size, max(largest, size)
		if n, ok := toInt(arg); ok && verbs.stars {
			widest = max(widest, int(min(max(n, -n, 0), maxWidth)))
		}
	}
	if verbs.indices {
		total = verbs.count * largest
	}
	m.alloc(clip(slot*len(args) + 2*(len(format)+total+verbs.count*max(widest, verbs.widest)))) // it grows while it is written
}

const (
	// maxWidth is the largest width or precision that fmt.Sprintf takes.
	maxWidth = 1_000_000
	// perArgument is more than what fmt.Sprintf writes next to an argument that a verb is not for, as in
	// %!d(string=x) and %!(EXTRA string=x).
	perArgument = 32
	// longestFloat is more than the digits of the largest number that %f writes.
	longestFloat = 320
)

// verbs describes those of a format, from above.
type verbs struct {
	count int
	// widest is the largest number that may be a width or a precision. stars and indices are true if arguments may be
	// widths, or may be used again.
	widest         int
	stars, indices bool
	// growth is how many characters a verb may write for one of a text or a digit.
	growth int
}

func verbsIn(format string) verbs {
	v := verbs{growth: 1}
	number, inVerb := 0, false
	for i := range len(format) {
		switch c := format[i]; {
		case c == '%':
			if inVerb = !inVerb; inVerb {
				v.count++
			}
			number = 0
		case !inVerb:
		case c >= '0' && c <= '9':
			number = min(number*10+int(c-'0'), maxWidth)
			v.widest = max(v.widest, number)
		case strings.IndexByte("+-# .[]*", c) >= 0:
			v.stars, v.indices = v.stars || c == '*', v.indices || c == '['
			number = 0
		default:
			v.growth = max(v.growth, growthOf(c))
			inVerb = false
		}
	}
	return v
}

// growthOf returns how many characters a verb may write for each of a text, or for each digit of a number.
func growthOf(verb byte) int {
	switch verb {
	case 'x', 'X': // % #x writes 0x61 and a space
		return 5
	case 'q', 'b': // a control character as \x00, and a digit as up to four bits
		return 4
	}
	return 1
}

// rendered returns about how long the text of a value is, and counts going through it.
func (m *Machine) rendered(v any) int {
	m.step(1)
	switch v := v.(type) {
	case string:
		m.read(len(v))
		return len(v) + 2
	case json.Number:
		return len(v) + longestFloat
	case float64:
		return longestFloat
	case []any:
		return m.renderedList(v)
	case *array:
		return m.renderedList(v.elems)
	case *set:
		return m.renderedList(v.elems)
	case *object:
		return m.renderedList(v.keys) + m.renderedList(v.values)
	case map[string]any, Document:
		return m.rendered(m.members(v))
	}
	return 20
}

func (m *Machine) renderedList(elems []any) int {
	total := 2
	for _, element := range elems {
		total += 2 + m.renderedElement(canon(element))
	}
	if total > perStep {
		m.alloc(total) // each level is written once more, by the one around it
	}
	return total
}

// renderedElement is rendered for an element of a collection, whose texts are quoted.
func (m *Machine) renderedElement(v any) int {
	if text, ok := v.(string); ok {
		m.step(1)
		m.read(len(text))
		return quoted(text)
	}
	return m.rendered(v)
}

// quoted returns about how long a text is in quotes, in which a character may take six.
func quoted(text string) int {
	n := len(text) + 2
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			n += 5
		}
	}
	return n
}

// templateString joins the parts of $"…{x}…". An undefined part is an empty set, and another one a set of one
// element.
func templateString(m *Machine, call *builtinCall, a, _, _ any) any {
	parts, ok := elements(a)
	if !ok {
		return call.opa(m, a)
	}
	var text strings.Builder
	for _, part := range parts {
		written, ok := m.templatePart(canon(part))
		if !ok {
			return call.opa(m, a)
		}
		m.alloc(len(written))
		text.WriteString(written)
	}
	return text.String()
}

func (m *Machine) templatePart(part any) (string, bool) {
	if s, ok := part.(*set); ok {
		switch len(s.elems) {
		case 0:
			return "<undefined>", true
		case 1:
			part = s.elems[0]
		default:
			return "", false
		}
	} else if length(part) >= 0 {
		return "", false // OPA takes a collection in a set only
	}
	switch v := part.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	m.readNumbers(part)
	m.weigh(part)
	m.alloc(m.rendered(part))
	return ToAST(part).String(), true
}
