package compile

import (
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A value of Rego is an any that holds one of
//
//	nil                              undefined
//	Null                             null
//	bool, string
//	int64, float64, json.Number      numbers; json.Number has what the others cannot hold exactly
//	*array, []any                    arrays
//	*object, map[string]any          objects
//	Document                         objects whose members are computed when they are read
//	*set                             sets
//
// []any and map[string]any are JSON as the request holds it, in which nil is null, and parts may be Unread. They are only
// read: see canon.

// Null is the value null.
type Null struct{}

var null any = Null{}

// Document is an object whose members are computed when they are read. Get returns nil for a member that does
// not exist. Names returns the names of those that exist, sorted.
type Document interface {
	Get(name string) any
	Names() []string
}

// Unread is a part of JSON that is decoded when it is read.
type Unread interface{ Value() any }

// array is an array that a rule has made.
type array struct {
	elems []any
	// frozen is true for a constant, which goroutines share: see Machine.freeze.
	frozen bool
}

// object is an object that a rule has made. Its members are in the order in which they were inserted.
type object struct {
	keys, values []any
	table        table
	// ordered is true if the keys are known to be in order.
	ordered bool
	// owner is set for a part of the object that a partial rule returns: that object. See functionCompiler.grow.
	owner  any
	frozen bool
}

// set is a set. Its elements are in the order in which they were added.
type set struct {
	elems []any
	table table
	// sorted has the elements in order. It is nil until they are needed in order.
	sorted []any
	owner  any
	frozen bool
}

// The kinds of values, in the order in which Rego compares them.
const (
	kindUndefined = iota - 1
	kindNull
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
	kindSet
)

func kindOf(v any) int {
	switch v.(type) {
	case string:
		return kindString
	case map[string]any, *object, Document:
		return kindObject
	case []any, *array:
		return kindArray
	case bool:
		return kindBool
	case int64, float64, json.Number:
		return kindNumber
	case *set:
		return kindSet
	case Null:
		return kindNull
	}
	return kindUndefined
}

// canon returns a part of JSON as a value: nil in JSON is null.
func canon(v any) any {
	switch v := v.(type) {
	case string, bool, map[string]any, []any, int64, json.Number:
		return v
	case float64:
		return canonFloat(v)
	case nil:
		return null
	case Null, *array, *object, *set, Document:
		return v
	}
	return foreign(v)
}

// foreign converts what encoding/json does not produce, such as an int.
func foreign(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case Unread:
		return canon(v.Value())
	}
	converted, err := ast.InterfaceToValue(v)
	if err != nil {
		return null
	}
	return FromAST(converted)
}

// elements returns the elements of an array. Each must pass through canon before it is used.
func elements(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case *array:
		return v.elems, true
	}
	return nil, false
}

// length returns how many elements or members a collection has, or -1 for any other value.
func length(v any) int {
	switch v := v.(type) {
	case map[string]any:
		return len(v)
	case []any:
		return len(v)
	case *array:
		return len(v.elems)
	case *object:
		return len(v.keys)
	case *set:
		return len(v.elems)
	case Document:
		return len(v.Names())
	}
	return -1
}

// ToAST converts a value for OPA.
func ToAST(v any) ast.Value {
	switch v := v.(type) {
	case bool:
		return ast.Boolean(v)
	case string:
		return ast.String(v)
	case int64, float64, json.Number:
		return numberToAST(v)
	case []any:
		return arrayToAST(v)
	case *array:
		return arrayToAST(v.elems)
	case *object:
		members := make([][2]*ast.Term, len(v.keys))
		for i, key := range v.keys {
			members[i] = [2]*ast.Term{ast.NewTerm(ToAST(key)), ast.NewTerm(ToAST(v.values[i]))}
		}
		return ast.NewObject(members...)
	case map[string]any:
		members := make([][2]*ast.Term, 0, len(v))
		for name, value := range v {
			members = append(members, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(ToAST(canon(value)))})
		}
		return ast.NewObject(members...)
	case Document:
		members := [][2]*ast.Term{}
		for _, name := range v.Names() {
			members = append(members, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(ToAST(canon(v.Get(name))))})
		}
		return ast.NewObject(members...)
	case *set:
		terms := make([]*ast.Term, len(v.elems))
		for i, element := range v.elems {
			terms[i] = ast.NewTerm(ToAST(element))
		}
		return ast.NewSet(terms...)
	}
	return ast.NullValue
}

func arrayToAST(elems []any) ast.Value {
	terms := make([]*ast.Term, len(elems))
	for i, element := range elems {
		terms[i] = ast.NewTerm(ToAST(canon(element)))
	}
	return ast.NewArray(terms...)
}

// FromAST converts a value of OPA, in which nothing needs evaluation.
func FromAST(v ast.Value) any {
	return unmetered().fromAST(v)
}

func (m *meter) fromAST(v ast.Value) any {
	switch v := v.(type) {
	case ast.Boolean:
		return bool(v)
	case ast.String:
		m.alloc(len(v))
		return string(v)
	case ast.Number:
		m.read(len(v))
		return newNumber(string(v))
	case *ast.Array:
		m.alloc(slot * (2 + v.Len()))
		a := &array{elems: make([]any, 0, v.Len())}
		v.Foreach(func(t *ast.Term) { a.elems = append(a.elems, m.fromAST(t.Value)) })
		return a
	case ast.Object:
		o := &object{}
		v.Foreach(func(key, value *ast.Term) { o.put(m, m.fromAST(key.Value), m.fromAST(value.Value)) })
		return o
	case ast.Set:
		s := &set{}
		v.Foreach(func(t *ast.Term) { s.add(m, m.fromAST(t.Value)) })
		return s
	}
	return null
}

// NewObject returns an object with members whose keys are sorted and different.
func NewObject(keys, values []any) any {
	o := &object{keys: keys, values: values, ordered: true}
	if len(keys) > small {
		o.table.fill(unmetered(), keys)
	}
	return o
}

func unmetered() *meter { return &meter{budget: unlimited, pause: unlimited} }

func (a *array) String() string  { return fmt.Sprint(ToAST(a)) }
func (o *object) String() string { return fmt.Sprint(ToAST(o)) }
func (s *set) String() string    { return fmt.Sprint(ToAST(s)) }
