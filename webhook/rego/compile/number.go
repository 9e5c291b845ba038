package compile

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// newNumber returns the number with this text. One whose text an int64 would not give back, as 1.0 or a number of
// thirty digits, stays text: it is printed as it was written.
func newNumber(text string) any {
	if len(text) < 20 {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && (n != 0 || text == "0") && text[0] != '+' && (text[0] != '0' || n == 0) && !(n < 0 && text[1] == '0') {
			return n
		}
	}
	return json.Number(text)
}

// canonFloat returns a whole number as an int64 if OPA writes both alike: from a million on, it writes 1e+06.
func canonFloat(f float64) any {
	if n := int64(f); f > -1e6 && f < 1e6 && float64(n) == f && (n != 0 || !math.Signbit(f)) {
		return n
	}
	return f
}

func numberToAST(v any) ast.Value {
	switch v := v.(type) {
	case int64:
		return ast.MustInterfaceToValue(v)
	case json.Number:
		return ast.Number(v)
	case float64:
		return ast.Number(strconv.FormatFloat(v, 'g', -1, 64))
	}
	return ast.NullValue
}

// numberText is how OPA writes a number.
func numberText(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case json.Number:
		return string(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return ""
}

func compareNumbers(a, b any) int {
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	}
	return ast.NumberCompare(ast.Number(numberText(a)), ast.Number(numberText(b)))
}

// toInt returns the integer that a number is, as OPA sees it: 1.0 is 1.
func toInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case json.Number:
		return ast.Number(v).Int64()
	case float64:
		return ast.Number(numberText(v)).Int64()
	}
	return 0, false
}

// toIndex returns the number as an index of an array.
func (m *meter) toIndex(v any) (int, bool) {
	n, ok := v.(int64)
	if !ok {
		m.readNumbers(v)
		n, ok = toInt(v)
	}
	return int(n), ok && n >= 0 && n <= math.MaxInt32
}

// hashNumber gives equal numbers the same hash however they are written.
func hashNumber(v any) uint64 {
	var f float64
	switch v := v.(type) {
	case int64:
		f = float64(v)
	case float64:
		f = v
	case json.Number:
		f, _ = ast.Number(v).Float64() // 0 if it is too large: such numbers share a hash
	}
	if f == 0 {
		return 0 // and not that of -0
	}
	return math.Float64bits(f)
}

// digits is about how many decimal digits a number has when it is written without an exponent.
func digits(v any) int {
	text, ok := v.(json.Number)
	if !ok {
		return 20
	}
	n := len(text)
	if at := strings.IndexAny(string(text), "eE"); at >= 0 {
		exponent, err := strconv.Atoi(string(text[at+1:]))
		if err != nil || exponent > maxExponent || exponent < -maxExponent {
			return maxExponent
		}
		n += max(exponent, -exponent)
	}
	return n
}

// maxExponent is more than the exponents of numbers that OPA takes.
const maxExponent = 100_000

// readNumbers counts computing with numbers, which may be small to write and large to compute with.
func (m *meter) readNumbers(numbers ...any) {
	total := 0
	for _, v := range numbers {
		if _, ok := v.(json.Number); ok {
			total += digits(v)
		}
	}
	if total > perStep {
		m.step(total * (1 + total/1024))
		m.alloc(total)
	}
}
