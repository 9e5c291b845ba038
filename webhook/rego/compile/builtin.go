package compile

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// An implementation computes a built-in function. Arguments that the function does not have are nil. The result nil is
// undefined; a failure is reported by (*Machine).fail, and undefined as well. What it looks at and makes is counted
// before.
//
// Whatever it has no code of its own for, such as arguments of the wrong type, it leaves to OPA: (*builtinCall).opa.
type implementation func(m *Machine, call *builtinCall, a, b, c any) any

// builtinCall is one call in a policy.
type builtinCall struct {
	name    string
	compute implementation
	// original is OPA's.
	original topdown.BuiltinFunc
	arity    int
	location *ast.Location
	// regex is the pattern of the call if it is a constant that is compiled in advance: see folder.pattern.
	regex *regex
}

// callBuiltin compiles a CallStmt of a built-in function. All are pure, so that a call with constant arguments is
// computed when the policy is compiled.
func (c *functionCompiler) callBuiltin(s *ir.CallStmt) (op, error) {
	call, err := c.newBuiltinCall(s)
	if err != nil {
		return nil, err
	}
	args, constant := c.operands(s.Args)
	if len(args) > 3 {
		return nil, fmt.Errorf("built-in function %s has %d arguments", s.Func, len(args))
	}
	if constant {
		values := make([]any, 3)
		for i := range args {
			values[i] = args[i].value
		}
		if folded := c.program.folder.builtin(call, values); folded != nil && folded.value != nil {
			return c.set(s.Result, folded.value), nil
		}
	}
	if at, ok := patternOf[s.Func]; ok && args[at].isConstant() {
		if text, ok := args[at].value.(string); ok {
			call.regex = c.program.folder.pattern(text)
		}
	}
	return call.compile(args, placeOf(s.Result)), nil
}

func (c *functionCompiler) newBuiltinCall(s *ir.CallStmt) (*builtinCall, error) {
	if !c.program.plan.builtins[s.Func] {
		return nil, fmt.Errorf("the plan has no function %s", s.Func)
	}
	at := c.program.plan.errorAt("", &s.Location)
	call := &builtinCall{
		name: s.Func, compute: implementations[s.Func], original: topdown.GetBuiltin(s.Func), arity: len(s.Args),
		location: &ast.Location{File: at.File, Row: at.Row},
	}
	if call.compute == nil || call.original == nil {
		return nil, fmt.Errorf("built-in function %s is not known", s.Func)
	}
	return call, nil
}

func (b *builtinCall) compile(args []operand, place int) op {
	switch len(args) {
	case 1:
		x := args[0]
		return func(m *Machine, frame []any) int {
			return b.finish(m, frame, place, b.compute(m, b, x.get(frame), nil, nil))
		}
	case 2:
		x, y := args[0], args[1]
		return func(m *Machine, frame []any) int {
			return b.finish(m, frame, place, b.compute(m, b, x.get(frame), y.get(frame), nil))
		}
	}
	return func(m *Machine, frame []any) int {
		values := [3]any{}
		for i := range args {
			values[i] = args[i].get(frame)
		}
		return b.finish(m, frame, place, b.compute(m, b, values[0], values[1], values[2]))
	}
}

func (b *builtinCall) finish(m *Machine, frame []any, place int, value any) int {
	m.step(1)
	if value == nil {
		return 1
	}
	frame[place] = value
	return 0
}

func (b *builtinCall) evaluate(m *Machine, args []any) any {
	return b.compute(m, b, args[0], args[1], args[2])
}

// opa calls OPA's own implementation. The arguments and the result are converted, and counted for that.
func (b *builtinCall) opa(m *Machine, args ...any) any {
	terms := make([]*ast.Term, b.arity)
	texts := 0
	for i := range terms {
		texts += m.weigh(args[i])
		terms[i] = ast.NewTerm(ToAST(args[i]))
	}
	m.alloc(clip(growths[b.name] * texts))
	var result any
	err := b.original(topdown.BuiltinContext{Location: b.location}, terms, func(t *ast.Term) error {
		if t != nil {
			result = m.fromAST(t.Value)
		}
		return nil
	})
	if err != nil {
		m.fail(b.failure(err))
		return nil
	}
	if result == nil && voidBuiltins[b.name] {
		return true
	}
	return result
}

// failure leaves out OPA's own words, which may quote the arguments.
func (b *builtinCall) failure(err error) *Error {
	e := &Error{Code: codeBuiltin, File: b.location.File, Row: b.location.Row}
	if failed := new(topdown.Error); errors.As(err, &failed) {
		e.Code = failed.Code
	}
	return e
}

// weigh counts going through a value to its ends. It returns how long all the texts in it are together.
func (m *meter) weigh(v any) (texts int) {
	m.step(1)
	m.alloc(3 * slot)
	switch v := v.(type) {
	case string:
		m.alloc(len(v))
		return len(v)
	case json.Number:
		m.alloc(len(v))
		return len(v)
	case []any:
		for _, element := range v {
			texts += m.weigh(canon(element))
		}
	case *array:
		for _, element := range v.elems {
			texts += m.weigh(element)
		}
	case *set:
		return m.weighKeys(v.elems)
	case *object:
		texts = m.weighKeys(v.keys)
		for _, value := range v.values {
			texts += m.weigh(value)
		}
	case map[string]any:
		names := m.names(v)
		for _, name := range names {
			m.alloc(len(name) + 3*slot)
			texts += len(name) + m.weigh(canon(v[name]))
		}
		m.done(names)
	case Document:
		for _, name := range v.Names() {
			m.alloc(len(name) + 3*slot)
			texts += len(name) + m.weigh(canon(v.Get(name)))
		}
	}
	return texts
}

// weighKeys counts keys that OPA hashes. Numbers that differ by less than 1 have one hash there, and so what is made
// of them, and OPA compares each with all others of the same hash.
func (m *meter) weighKeys(keys []any) (texts int) {
	other := 0
	for _, key := range keys {
		texts += m.weigh(key)
		if kindOf(key) != kindString {
			other++
		}
	}
	if other > perStep {
		m.step(other * (other / perStep))
	}
	return texts
}
