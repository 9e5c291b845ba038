package compile

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
)

func comparing(holds func(int) bool) implementation {
	return func(m *Machine, _ *builtinCall, a, b, _ any) any { return holds(m.compare(a, b)) }
}

// arithmetic computes with numbers as OPA does: with small integers if they are, otherwise with integers of any size,
// and with floating-point numbers if the result or one of the numbers is none. exact is nil if a result is only an integer
// by chance.
func arithmetic(small func(x, y int64) (int64, bool), exact func(z, x, y *big.Int) *big.Int, float func(z, x, y *big.Float) *big.Float) implementation {
	return func(m *Machine, call *builtinCall, a, b, _ any) any {
		if x, ok := a.(int64); ok {
			if y, ok := b.(int64); ok {
				if z, ok := small(x, y); ok {
					return z
				}
			}
		}
		m.readNumbers(a, b)
		if kindOf(a) != kindNumber || kindOf(b) != kindNumber || float == nil || exact == nil && compareNumbers(b, int64(0)) == 0 {
			return call.opa(m, a, b)
		}
		x, y := ast.Number(numberText(a)), ast.Number(numberText(b))
		if exact != nil {
			if i, err := builtins.NumberToInt(x); err == nil {
				if j, err := builtins.NumberToInt(y); err == nil {
					return newNumber(exact(new(big.Int), i, j).String())
				}
			}
		}
		return newNumber(string(builtins.FloatToNumber(float(new(big.Float), builtins.NumberToFloat(x), builtins.NumberToFloat(y)))))
	}
}

func plus(x, y int64) (int64, bool) {
	z := x + y
	return z, (z > x) == (y > 0)
}

func times(x, y int64) (int64, bool) {
	if x == 0 || y == 0 {
		return 0, true
	}
	z := x * y
	return z, z/y == x && x != math.MinInt64 && y != math.MinInt64
}

// divide is for a quotient that is an integer, and not for 0, whose quotient may be -0.
func divide(x, y int64) (int64, bool) {
	if x == 0 || y == 0 || y == -1 || x%y != 0 {
		return 0, false
	}
	return x / y, true
}

func remainder(x, y int64) (int64, bool) {
	if y == 0 || y == -1 {
		return 0, false
	}
	return x % y, true
}

var subtract = arithmetic(func(x, y int64) (int64, bool) {
	z := x - y
	return z, (z < x) == (y > 0)
}, (*big.Int).Sub, (*big.Float).Sub)

// minus is the difference of numbers, and of sets.
func minus(m *Machine, call *builtinCall, a, b, c any) any {
	x, ok := a.(*set)
	y, also := b.(*set)
	if !ok || !also {
		return subtract(m, call, a, b, c)
	}
	s := &set{}
	for _, element := range x.elems {
		m.step(1)
		if !y.has(&m.meter, element) {
			s.add(&m.meter, element)
		}
	}
	return s
}

// whole is for functions of one number, which are simple for integers.
func whole(compute func(int64) int64) implementation {
	return func(m *Machine, call *builtinCall, a, _, _ any) any {
		if n, ok := a.(int64); ok && n != math.MinInt64 {
			return compute(n)
		}
		m.readNumbers(a)
		return call.opa(m, a)
	}
}

func same(n int64) int64 { return n }

// accumulate is for sums and products.
func accumulate(start int64, compute func(x, y int64) (int64, bool)) implementation {
	return func(m *Machine, call *builtinCall, a, _, _ any) any {
		elems, ok := m.elementsOf(a)
		if !ok {
			return call.opa(m, a)
		}
		m.step(len(elems))
		total, exact := start, true
		for _, element := range elems {
			n, ok := element.(int64)
			if ok {
				total, ok = compute(total, n)
			}
			exact = exact && ok
		}
		if exact {
			return total
		}
		size := 0
		for _, element := range elems {
			size += digits(element)
		}
		m.step(size * (1 + size/1024))
		return call.opa(m, a)
	}
}

func numbersRange(m *Machine, call *builtinCall, a, b, _ any) any {
	from, ok := a.(int64)
	to, also := b.(int64)
	if !ok || !also {
		m.readNumbers(a, b)
		length := distance(a, b)
		m.step(4 * length)
		m.alloc(8 * slot * length) // OPA makes a term of each number, and then it is read
		return call.opa(m, a, b)
	}
	length := uint64(max(from, to)) - uint64(min(from, to)) // wraps around to the distance
	if length > math.MaxInt32 {
		m.alloc(math.MaxInt32 * slot)
	}
	n := int(length) + 1
	m.step(n)
	m.alloc(2 * slot * n)
	all := &array{elems: make([]any, n)}
	step := int64(1)
	if from > to {
		step = -1
	}
	for i := range n {
		all.elems[i] = from + int64(i)*step
	}
	return all
}

// distance returns how far apart two numbers are that need not fit an int64.
func distance(a, b any) int {
	if kindOf(a) != kindNumber || kindOf(b) != kindNumber {
		return 1
	}
	x, err := builtins.NumberToInt(ast.Number(numberText(a)))
	if err != nil {
		return 1
	}
	y, err := builtins.NumberToInt(ast.Number(numberText(b)))
	if err != nil {
		return 1
	}
	if d := new(big.Int).Sub(x, y); d.IsInt64() && d.Int64() < math.MaxInt32 && d.Int64() > -math.MaxInt32 {
		return int(max(d.Int64(), -d.Int64()))
	}
	return math.MaxInt32
}

func formatInt(m *Machine, call *builtinCall, a, b, _ any) any {
	n, ok := a.(int64)
	base, also := b.(int64)
	if ok && also && (base == 2 || base == 8 || base == 10 || base == 16) {
		return strconv.FormatInt(n, int(base))
	}
	m.readNumbers(a)
	return call.opa(m, a, b)
}

// toNumber reads short texts of digits itself.
func toNumber(m *Machine, call *builtinCall, a, _, _ any) any {
	switch v := a.(type) {
	case int64, float64, json.Number:
		return a
	case string:
		m.read(len(v))
		if n, ok := newDigits(v); ok {
			return n
		}
	}
	return call.opa(m, a)
}

func newDigits(text string) (any, bool) {
	if text == "" || len(text) > 18 || text[0] == '0' && len(text) > 1 {
		return nil, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return nil, false
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}
