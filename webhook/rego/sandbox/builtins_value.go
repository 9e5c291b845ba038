package sandbox

import (
	"math/big"

	"github.com/open-policy-agent/opa/v1/ast"
)

// each calls do for every element of an array or set.
func each(collection *ast.Term, do func(*ast.Term)) {
	switch value := collection.Value.(type) {
	case *ast.Array:
		value.Foreach(do)
	case ast.Set:
		value.Foreach(do)
	}
}

func lengthOf(term *ast.Term) int {
	switch value := term.Value.(type) {
	case *ast.Array:
		return value.Len()
	case ast.Set:
		return value.Len()
	}
	return 0
}

func limitLengths(operands []*ast.Term) string {
	if total := lengthOf(operands[0]) + lengthOf(operands[1]); total > maxElements {
		return tooMany(total)
	}
	return ""
}

func limitFlatten(operands []*ast.Term) string {
	total := 0
	each(operands[0], func(element *ast.Term) { total += 1 + lengthOf(element) })
	if total > maxElements {
		return tooMany(total)
	}
	return ""
}

func limitElements(operands []*ast.Term) string {
	reason := ""
	each(operands[0], func(element *ast.Term) {
		if reason == "" {
			reason = number(element)
		}
	})
	return reason
}

func limitProduct(operands []*ast.Term) string {
	digits := 0
	each(operands[0], func(element *ast.Term) {
		if value, ok := element.Value.(ast.Number); ok {
			digits += len(value)
		}
	})
	if digits > 100*maxDigits {
		return tooBigNumber(string(make([]byte, digits)))
	}
	return limitElements(operands)
}

func limitRange(operands []*ast.Term) string {
	if reason := limitNumbers(operands); reason != "" {
		return reason
	}
	from, ok := integer(operands[0])
	to, also := integer(operands[1])
	if !ok || !also {
		return "" // the built-in function reports the error itself
	}
	length := from.Sub(to, from)
	if length.CmpAbs(big.NewInt(maxElements)) >= 0 {
		return "a list of more than 100000 elements"
	}
	return ""
}

func integer(term *ast.Term) (*big.Int, bool) {
	value, ok := term.Value.(ast.Number)
	if !ok {
		return nil, false
	}
	float, _, err := big.ParseFloat(string(value), 10, 2000, big.ToZero)
	if err != nil {
		return nil, false
	}
	whole, _ := float.Int(nil)
	return whole, true
}

// limitRendered limits functions that visit every part of a value. A value with shared parts, such as [a, a]
// nested many times, is small in memory but may take forever to visit.
func limitRendered(operands []*ast.Term) string {
	total := 0
	for _, operand := range operands {
		total += Rendered(operand)
	}
	if total > maxText {
		return tooLong(total)
	}
	return ""
}

// Rendered returns the approximate length of a value's text in bytes. It stops counting slightly above maxText.
func Rendered(term *ast.Term) int {
	left := maxText + 1
	render(term, &left)
	return maxText + 1 - left
}

// render returns false once left is used up.
func render(term *ast.Term, left *int) bool {
	*left -= 2
	more := *left > 0
	part := func(term *ast.Term) bool {
		more = more && render(term, left)
		return !more
	}
	switch value := term.Value.(type) {
	case ast.String:
		*left -= len(value)
	case ast.Number:
		*left -= len(value)
	case *ast.Array:
		value.Until(part)
	case ast.Set:
		value.Until(part)
	case ast.Object:
		value.Until(func(key, member *ast.Term) bool { return part(key) || part(member) })
	default:
		*left -= 5
	}
	return more && *left > 0
}
