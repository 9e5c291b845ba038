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
// indices; and each verb may be as wide as its width.
func (m *Machine) countFormat(format string, args []any) {
	total, largest, widest := 0, 0, 0
	for _, arg := range args {
		size := m.rendered(canon(arg))
		total, largest = total+size, max(largest, size)
		if n, ok := arg.(int64); ok {
			widest = max(widest, int(min(max(n, -n), maxWidth)))
		}
	}
	verbs := strings.Count(format, "%")
	if strings.Contains(format, "[") {
		total = verbs * largest
	}
	if !strings.Contains(format, "*") {
		widest = widestIn(format)
	}
	m.alloc(slot*len(args) + 2*(len(format)+total+verbs*widest)) // it grows while it is written
}

// maxWidth is the largest width or precision that fmt.Sprintf takes.
const maxWidth = 1_000_000

// widestIn returns the largest number in a format, if it may be a width or a precision.
func widestIn(format string) int {
	widest, number, inVerb := 0, 0, false
	for i := range len(format) {
		switch c := format[i]; {
		case c == '%':
			inVerb, number = !inVerb, 0
		case !inVerb:
		case c >= '0' && c <= '9':
			number = min(number*10+int(c-'0'), maxWidth)
			widest = max(widest, number)
		case strings.IndexByte("+-# .[]", c) >= 0:
			number = 0
		default:
			inVerb = false
		}
	}
	return widest
}

// rendered returns about how long the text of a value is, and counts going through it.
func (m *Machine) rendered(v any) int {
	m.step(1)
	switch v := v.(type) {
	case string:
		m.read(len(v))
		return len(v) + 2
	case json.Number:
		return len(v)
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
		total += 2 + m.rendered(canon(element))
	}
	if total > perStep {
		m.alloc(total) // each level is written once more, by the one around it
	}
	return total
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
	}
	switch v := part.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	m.alloc(m.rendered(part))
	return ToAST(part).String(), true
}
