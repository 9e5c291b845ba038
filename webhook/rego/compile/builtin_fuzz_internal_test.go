package compile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/types"
)

// FuzzBuiltins calls each function with arguments that are made of bytes, and compares the result with that of OPA's
// own implementation: values, how numbers are written, and whether the function fails.
func FuzzBuiltins(f *testing.F) {
	names := builtinNames()
	for i := range names {
		f.Add(uint8(i), []byte("\x01\x04\xc3\xb1\xff\xfe\x02\x00\x02\x09"))
	}
	f.Fuzz(func(t *testing.T, at uint8, data []byte) { fuzzBuiltin(t, names[int(at)%len(names)], data) })
}

// The same for random bytes, the same ones each time.
func TestBuiltinsReturnWhatThoseOfOPADo(t *testing.T) {
	names := builtinNames()
	random := rand.New(rand.NewPCG(1, 3))
	for range 1_000 {
		data := make([]byte, 60)
		for i := range data {
			data[i] = byte(random.UintN(256))
			if random.UintN(2) == 0 {
				data[i] %= 12 // more of the kinds of values and of short texts
			}
		}
		for _, name := range names {
			fuzzBuiltin(t, name, data)
		}
	}
}

func builtinNames() []string {
	names := slices.Sorted(maps.Keys(implementations))
	return slices.DeleteFunc(names, func(name string) bool { return voidBuiltins[name] })
}

func fuzzBuiltin(t *testing.T, name string, data []byte) {
	t.Helper()
	declared := ast.BuiltinMap[builtinName(name)].Decl.FuncArgs().Args
	source := &valueSource{data: data}
	args := make([]any, 3)
	for i, of := range declared {
		args[i] = source.valueOf(of)
	}
	compareWithOPA(t, name, len(declared), args)
}

// builtinName returns OPA's name of a function that the planner names otherwise.
func builtinName(name string) string {
	if name == "set_diff" {
		return "minus"
	}
	return name
}

func compareWithOPA(t *testing.T, name string, arity int, args []any) {
	t.Helper()
	written := fmt.Sprint(toTerms(args[:arity]))
	call := &builtinCall{
		name: name, compute: implementations[name], original: topdown.GetBuiltin(builtinName(name)), arity: arity,
		location: &ast.Location{File: "p.rego", Row: 1},
	}
	m := &Machine{}
	m.begin(t.Context(), DefaultBudget)
	got, err := m.protect(func() any { return call.evaluate(m, args) })
	if errors.Is(err, ErrBudget) {
		return
	}
	if errors.Is(err, ErrBroken) {
		t.Fatalf("%s%s panics", name, written)
	}
	var want ast.Value
	failure := call.original(topdown.BuiltinContext{Location: call.location}, toTerms(args[:arity]), func(term *ast.Term) error {
		if term != nil {
			want = term.Value
		}
		return nil
	})
	if (err != nil) != (failure != nil) {
		t.Fatalf("%s%s: got the error %v, want %v", name, written, err, failure)
	}
	if failure == nil && (got == nil) != (want == nil) {
		t.Fatalf("%s%s: got %v, want %v", name, written, got, want)
	}
	if failure == nil && got != nil && (ast.Compare(ToAST(got), want) != 0 || ToAST(got).String() != want.String()) {
		t.Fatalf("%s%s: got %v, want %v", name, written, ToAST(got), want)
	}
	if after := fmt.Sprint(toTerms(args[:arity])); after != written {
		t.Fatalf("%s%s changes its arguments: %s", name, written, after)
	}
}

func toTerms(args []any) []*ast.Term {
	terms := make([]*ast.Term, len(args))
	for i, arg := range args {
		terms[i] = ast.NewTerm(ToAST(arg))
	}
	return terms
}

// valueSource makes values of bytes.
type valueSource struct{ data []byte }

func (s *valueSource) next() byte {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b
}

func (s *valueSource) text() string {
	n := min(int(s.next())%40, len(s.data))
	text := string(s.data[:n])
	s.data = s.data[n:]
	return text
}

// numbers are ways in which numbers are written.
var numbers = []any{
	json.Number("1.0"), json.Number("1e2"), json.Number("-0"), json.Number("0.10"), json.Number("1E+2"), json.Number("12345678901234567890"),
	json.Number("1e-7"), json.Number("9223372036854775808"), json.Number("-1.50"), json.Number("2.5e0"), json.Number("100"), 0.5, 1e6, -2.25, 1e300,
	int64(1 << 53), int64(-9223372036854775808), int64(9223372036854775807),
}

// valueOf returns a value of a type for most arguments, and otherwise any.
func (s *valueSource) valueOf(of types.Type) any {
	if s.next()%8 == 0 {
		return s.value(3)
	}
	switch of := of.(type) {
	case nil:
	case types.String:
		return s.text()
	case types.Number:
		if s.next()%2 == 0 {
			return int64(int8(s.next()))
		}
		return numbers[int(s.next())%len(numbers)]
	case types.Any:
		if len(of) > 0 {
			return s.valueOf(of[int(s.next())%len(of)])
		}
	case *types.Array:
		list := []any{}
		for range s.next() % 5 {
			list = append(list, s.valueOf(of.Dynamic()))
		}
		return &array{elems: list}
	case *types.Set:
		all := &set{}
		for range s.next() % 5 {
			all.add(unmetered(), s.valueOf(of.Of()))
		}
		return all
	case *types.NamedType:
		return s.valueOf(of.Type)
	}
	return s.value(3)
}

// value returns a value with a number of levels at most: one that a rule has made, or JSON as a request has it.
func (s *valueSource) value(levels int) any {
	kind := s.next() % 10
	if levels == 0 {
		kind %= 5
	}
	switch kind {
	case 0:
		return null
	case 1:
		return s.text()
	case 2:
		return int64(int8(s.next()))
	case 3:
		return numbers[int(s.next())%len(numbers)]
	case 4:
		return s.next()%2 == 0
	case 5:
		return &array{elems: s.values(levels)}
	case 6:
		all := &set{}
		for _, v := range s.values(levels) {
			all.add(unmetered(), v)
		}
		return all
	case 7:
		o := &object{}
		for _, v := range s.values(levels) {
			o.put(unmetered(), v, s.value(levels-1))
		}
		return o
	case 8:
		return canon(s.json(levels))
	}
	return map[string]any{s.text(): s.json(levels - 1), s.text(): s.json(levels - 1)}
}

func (s *valueSource) values(levels int) []any {
	all := make([]any, int(s.next())%5)
	for i := range all {
		all[i] = s.value(levels - 1)
	}
	return all
}

// json returns JSON as a request has it, in which nil is null.
func (s *valueSource) json(levels int) any {
	switch s.next() % 6 {
	case 0:
		return nil
	case 1:
		return s.text()
	case 2:
		return int64(s.next())
	case 3:
		return numbers[int(s.next())%len(numbers)]
	case 4:
		return s.next()%2 == 0
	}
	list := []any{}
	for range int(s.next()) % 4 * min(levels, 1) {
		list = append(list, s.json(levels-1))
	}
	return list
}
