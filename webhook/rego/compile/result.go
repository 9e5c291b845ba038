package compile

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// What follows reads the values of rules. Nothing is converted for OPA on the way.

// Elements returns the elements of a set that the last evaluation returned, in order. ok is false for any other value.
//
// Everything that can be reached from the elements is counted as a part of that evaluation: a small value can take very
// long to read if it shares its parts.
func (m *Machine) Elements(value any) (elements []any, ok bool, err error) {
	s, ok := value.(*set)
	if !ok {
		return nil, false, nil
	}
	_, err = m.protect(func() any {
		m.visit(s)
		elements = s.inOrder(&m.meter)
		return nil
	})
	return elements, true, err
}

// visit counts going through a value to its ends.
func (m *meter) visit(v any) {
	m.step(1)
	switch v := v.(type) {
	case string:
		m.read(len(v))
	case json.Number:
		m.read(len(v))
	case []any:
		for _, element := range v {
			m.visit(canon(element))
		}
	case *array:
		m.visitList(v.elems)
	case *set:
		m.visitList(v.elems)
	case *object:
		m.visitList(v.keys)
		m.visitList(v.values)
	case map[string]any, Document:
		m.visit(m.members(v))
	}
}

func (m *meter) visitList(elems []any) {
	for _, element := range elems {
		m.visit(element)
	}
}

// Size returns about how long a value is in JSON, or more than most if it is longer than that.
func Size(v any, most int) int {
	left := most + 1
	measure(v, &left)
	return most + 1 - left
}

// measure counts like sandbox.Rendered. It returns false once nothing is left.
func measure(v any, left *int) bool {
	*left -= 2
	if *left <= 0 {
		return false
	}
	switch v := v.(type) {
	case string:
		*left -= len(v)
	case int64, float64, json.Number:
		*left -= len(numberText(v))
	case []any:
		for _, element := range v {
			if !measure(canon(element), left) {
				break
			}
		}
	case *array:
		measureList(v.elems, left)
	case *set:
		measureList(v.elems, left)
	case *object:
		measureList(v.keys, left)
		measureList(v.values, left)
	case map[string]any, Document:
		measure(unmetered().members(v), left)
		*left += 2
	default:
		*left -= 5
	}
	return *left > 0
}

func measureList(elems []any, left *int) {
	for _, element := range elems {
		if !measure(element, left) {
			return
		}
	}
}

// IsObject reports whether a value is an object.
func IsObject(v any) bool { return kindOf(v) == kindObject }

// Members calls read with the members of an object, in order of their names, until it returns an error. A name is any
// value.
func Members(v any, read func(name, value any) error) error {
	members := unmetered().members(v)
	for i, name := range members.keys {
		if err := read(name, members.values[i]); err != nil {
			return err
		}
	}
	return nil
}

// Member returns the member of an object with a name, nil if it has none.
func Member(v any, name string) any {
	switch v := v.(type) {
	case *object:
		return v.get(unmetered(), name)
	case map[string]any:
		if value, has := v[name]; has {
			return canon(value)
		}
	case Document:
		if value := v.Get(name); value != nil {
			return canon(value)
		}
	}
	return nil
}

// TypeName returns what the built-in function type_name returns.
func TypeName(v any) string {
	switch kindOf(v) {
	case kindNull:
		return "null"
	case kindBool:
		return "boolean"
	case kindNumber:
		return "number"
	case kindString:
		return "string"
	case kindArray:
		return "array"
	case kindObject:
		return "object"
	}
	return "set"
}

// Number returns a number as OPA writes it. ok is false for any other value.
func Number(v any) (n json.Number, ok bool) {
	return json.Number(numberText(v)), kindOf(v) == kindNumber
}

// JSON returns a copy of a value as encoding/json decodes it, in which all numbers are float64. ok is false if the value
// has no such form: if it has sets, keys that are not texts, numbers beyond float64, or texts that are not UTF-8.
func JSON(v any) (copied any, ok bool) {
	switch kindOf(v) {
	case kindNull:
		return nil, true
	case kindBool:
		return v, true
	case kindString:
		return v, utf8.ValidString(v.(string))
	case kindNumber:
		f, err := strconv.ParseFloat(numberText(v), 64)
		return f, err == nil
	case kindArray:
		elems, _ := elements(v)
		list := make([]any, len(elems))
		for i, element := range elems {
			if list[i], ok = JSON(canon(element)); !ok {
				return nil, false
			}
		}
		return list, true
	case kindObject:
		o := unmetered().members(v)
		members := make(map[string]any, len(o.keys))
		for i, key := range o.keys {
			name, isText := key.(string)
			if !isText || !utf8.ValidString(name) {
				return nil, false
			}
			if members[name], ok = JSON(o.values[i]); !ok {
				return nil, false
			}
		}
		return members, true
	}
	return nil, false
}
