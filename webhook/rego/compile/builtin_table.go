package compile

import "math/big"

// implementations has every built-in function that policies may call: see sandbox.Capabilities. A plan that calls
// any other is not compiled.
var implementations = map[string]implementation{
	"equal": func(m *Machine, _ *builtinCall, a, b, _ any) any { return m.equal(a, b) },
	"neq":   func(m *Machine, _ *builtinCall, a, b, _ any) any { return !m.equal(a, b) },
	"lt":    comparing(func(c int) bool { return c < 0 }),
	"lte":   comparing(func(c int) bool { return c <= 0 }),
	"gt":    comparing(func(c int) bool { return c > 0 }),
	"gte":   comparing(func(c int) bool { return c >= 0 }),

	"plus": arithmetic(plus, (*big.Int).Add, (*big.Float).Add), "minus": minus, "mul": arithmetic(times, (*big.Int).Mul, (*big.Float).Mul),
	"div": arithmetic(divide, nil, (*big.Float).Quo), "rem": arithmetic(remainder, nil, nil),
	"abs": whole(func(n int64) int64 { return max(n, -n) }), "round": whole(same), "ceil": whole(same), "floor": whole(same),
	"sum": accumulate(0, plus), "product": accumulate(1, times),
	"numbers.range": numbersRange, "format_int": formatInt, "to_number": toNumber,

	"count": count, "max": extreme(1), "min": extreme(-1), "sort": sortElements,
	"internal.member_2": member, "internal.member_3": memberWithKey,

	"and": intersect, "or": unite, "union": uniteAll, "intersection": intersectAll, "set_diff": minus,

	"array.concat": arrayConcat, "array.slice": arraySlice, "array.reverse": arrayReverse, "array.flatten": arrayFlatten,

	"object.get": objectGet, "object.keys": objectKeys, "object.remove": objectRemove, "object.filter": linear,
	"object.subset": objectSubset, "object.union": objectUnion, "object.union_n": objectUnionN,

	"concat": concat, "contains": textsTest(containsText), "startswith": textsTest(hasPrefix), "endswith": textsTest(hasSuffix),
	"indexof": indexOf, "indexof_n": indexOfN, "lower": textChange(toLower), "upper": textChange(toUpper),
	"replace": replace, "split": split, "substring": substring, "strings.count": stringsCount,
	"strings.any_prefix_match": anyMatch(hasPrefix), "strings.any_suffix_match": anyMatch(hasSuffix),
	"strings.replace_n": replaceN, "strings.reverse": linear,
	"trim": textCut(trim), "trim_left": textCut(trimLeft), "trim_right": textCut(trimRight), "trim_prefix": textCut(trimPrefix),
	"trim_suffix": textCut(trimSuffix), "trim_space": textChange(trimSpace),
	"sprintf": sprintf, "internal.template_string": templateString,

	"regex.match": regexMatch, "regex.is_valid": regexIsValid, "regex.find_n": regexFind, "regex.split": regexSplit,
	"regex.replace": regexReplace, "regex.find_all_string_submatch_n": regexFindSubmatch,
	"glob.match": globMatch, "glob.quote_meta": linear,

	"base64.decode": linear, "base64.encode": linear, "base64.is_valid": linear, "base64url.decode": linear,
	"hex.decode": linear, "hex.encode": linear, "urlquery.decode": linear, "crypto.sha256": linear,
	"json.marshal": linear, "json.filter": linear, "json.remove": linear,
	"json.is_valid": parsed, "json.unmarshal": parsed, "yaml.is_valid": parsed, "yaml.unmarshal": parsed,
	"semver.compare": version, "semver.is_valid": version, "time.parse_duration_ns": linear,

	"is_array": typeTest(kindArray), "is_boolean": typeTest(kindBool), "is_null": typeTest(kindNull), "is_number": typeTest(kindNumber),
	"is_object": typeTest(kindObject), "is_set": typeTest(kindSet), "is_string": typeTest(kindString), "type_name": typeName,

	"print": nothing, "internal.print": nothing,
}

// voidBuiltins return nothing, and are always defined.
var voidBuiltins = map[string]bool{"print": true, "internal.print": true}

func nothing(*Machine, *builtinCall, any, any, any) any { return true }

func typeTest(kind int) implementation {
	return func(_ *Machine, _ *builtinCall, a, _, _ any) any { return kindOf(a) == kind }
}

func typeName(_ *Machine, _ *builtinCall, a, _, _ any) any { return TypeName(a) }
