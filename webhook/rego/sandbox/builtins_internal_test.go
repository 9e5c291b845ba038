package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Each of these returns a value of the given size: a text, a list, a set or a number.
func ofBytes(n int) *ast.Term { return ast.StringTerm(strings.Repeat("a", n)) }

func ofElements(n int) *ast.Term {
	return ast.ArrayTerm(slices.Repeat([]*ast.Term{ast.NullTerm()}, n)...)
}

func set(n int) *ast.Term {
	elements := make([]*ast.Term, n)
	for i := range elements {
		elements[i] = ast.IntNumberTerm(i)
	}
	return ast.SetTerm(elements...)
}

func ofDigits(n int) *ast.Term { return ast.NumberTerm(json.Number(strings.Repeat("1", n))) }

func is(term string) *ast.Term { return ast.MustParseTerm(term) }

// calls returns pairs of calls for each limited built-in function: the first is just within the limit, the
// second just beyond it.
func calls() map[string][][2][]*ast.Term {
	full, over := ofBytes(maxText), ofBytes(maxText+1)
	short, one := ofBytes(3), ofBytes(1)
	// pair returns two calls that differ in one operand.
	pair := func(at int, fits, tooMuch *ast.Term, others ...*ast.Term) [2][]*ast.Term {
		return [2][]*ast.Term{slices.Insert(slices.Clone(others), at, fits), slices.Insert(slices.Clone(others), at, tooMuch)}
	}
	texts := func(others int) (all [][2][]*ast.Term) {
		for at := range others + 1 {
			all = append(all, pair(at, full, over, slices.Repeat([]*ast.Term{one}, others)...))
		}
		return all
	}
	rendered := func(others int) (all [][2][]*ast.Term) {
		for at := range others + 1 {
			null := slices.Repeat([]*ast.Term{ast.NullTerm()}, others)
			all = append(all, pair(at, ofBytes(maxText-2-7*others), ofBytes(maxText-1-7*others), null...))
		}
		return all
	}
	parsed := [][2][]*ast.Term{pair(0, full, over)}
	for _, value := range []string{",", ":", "[", "{", "*", "-"} {
		parsed = append(parsed, pair(0, ast.StringTerm(strings.Repeat(value, 2*maxElements)), ast.StringTerm(strings.Repeat(value, 2*maxElements+1))))
	}
	numbers := func(others int) (all [][2][]*ast.Term) {
		for at := range others + 1 {
			rest := slices.Repeat([]*ast.Term{is("1")}, others)
			all = append(all, pair(at, ofDigits(maxDigits), ofDigits(maxDigits+1), rest...), pair(at, is("1e400"), is("1e401"), rest...), pair(at, is("1e-400"), is("1e-401"), rest...))
		}
		return all
	}
	pattern := func(at int, others ...*ast.Term) [2][]*ast.Term {
		return pair(at, ofBytes(maxPattern-1), ofBytes(maxPattern), others...)
	}
	matches := func(at int, others ...*ast.Term) [][2][]*ast.Term {
		return [][2][]*ast.Term{
			pair(at, full, over, append([]*ast.Term{is(`"b"`)}, others[1:]...)...), pair(at, ofBytes(maxElements), ofBytes(maxElements+1), others...),
		}
	}
	all := map[string][][2][]*ast.Term{
		"array.concat":  {pair(0, ofElements(maxElements-2), ofElements(maxElements-1), ofElements(2)), pair(1, ofElements(maxElements-2), ofElements(maxElements-1), ofElements(2))},
		"array.flatten": {{{ast.ArrayTerm(ofElements(maxElements-3), one, one)}, {ast.ArrayTerm(ofElements(maxElements-2), one, one)}}},
		"concat": {
			pair(0, ofBytes(maxText/2-1), ofBytes(maxText/2), ast.ArrayTerm(one, one)), pair(1, ast.ArrayTerm(one, ofBytes(maxText-7)), ast.ArrayTerm(one, ofBytes(maxText-6)), short),
			pair(1, ast.SetTerm(one, ofBytes(maxText-7)), ast.SetTerm(one, ofBytes(maxText-6)), short),
		},
		"json.marshal": rendered(0),
		"numbers.range": {
			pair(1, is("100003"), is("100004"), is("4")), pair(0, is("100003"), is("100004"), is("4")), pair(1, is("-99999.9"), is("-100000"), is("0")),
			{{is("1e400"), is("1e400")}, {is("1e401"), is("1e401")}}, {{ofDigits(maxDigits), ofDigits(maxDigits)}, {ofDigits(maxDigits + 1), ofDigits(maxDigits + 1)}},
		},
		"object.subset":  rendered(1),
		"object.union":   rendered(1),
		"object.union_n": rendered(0),
		"product": {
			{{ast.ArrayTerm(ofDigits(maxDigits))}, {ast.ArrayTerm(ofDigits(maxDigits + 1))}},
			{{ast.ArrayTerm(slices.Repeat([]*ast.Term{ofDigits(maxDigits)}, 100)...)}, {ast.ArrayTerm(append(slices.Repeat([]*ast.Term{ofDigits(maxDigits)}, 100), is("1"))...)}},
			{{ast.SetTerm(is("1e400"))}, {ast.SetTerm(is("1e401"))}},
		},
		"sum": {
			{{ast.ArrayTerm(one, ofDigits(maxDigits))}, {ast.ArrayTerm(one, ofDigits(maxDigits+1))}},
			{{ast.ArrayTerm(ofDigits(maxDigits), one)}, {ast.ArrayTerm(ofDigits(maxDigits+1), one)}}, {{ast.SetTerm(is("1e400"))}, {ast.SetTerm(is("1e401"))}},
		},
		"regex.find_all_string_submatch_n": append(matches(1, one, is("-1")), pattern(0, one, is("-1")),
			pair(2, is("100000"), is("100001"), one, ofBytes(maxElements+5)), pair(0, is(`"a{2}"`), is(`"(a)"`), ofBytes(maxElements/2+1), is("-1"))),
		"regex.find_n":   append(matches(1, one, is("-1")), pattern(0, one, is("-1")), pair(2, is("100000"), is("100001"), one, ofBytes(maxElements+5))),
		"regex.split":    append(matches(1, one), pattern(0, one)),
		"regex.is_valid": {pattern(0)},
		"regex.match":    {pattern(0, one)},
		"regex.replace": {
			pattern(1, one, one), pair(2, ofBytes(maxText-1), ofBytes(maxText), one, one),
			pair(0, ofBytes(maxText/2-1), ofBytes(maxText/2), is(`"a+"`), is(`"$0"`)),
			pair(0, ast.StringTerm(strings.Repeat("ab", maxElements)), ast.StringTerm(strings.Repeat("ab", maxElements+1)), one, ofBytes(39)),
		},
		"replace": append(texts(2), pair(2, ofBytes(maxText/2), ofBytes(maxText/2+1), is(`"aa"`), one), pair(0, ofBytes(maxText/2), ofBytes(maxText/2+1), one, is(`"bc"`))),
		"split":   {pair(0, ofBytes(maxElements), ofBytes(maxElements+1), one), pair(1, full, over, one), pair(0, full, over, is(`"b"`))},
		"sprintf": {
			pair(0, is(`"%1000d"`), is(`"%1001d"`), ast.ArrayTerm(one)), pair(0, is(`"%-d %%*"`), is(`"%*d"`), ast.ArrayTerm(one)), pair(0, is(`"%.1000d"`), is(`"%.1001d"`), ast.ArrayTerm(one)),
			pair(1, ast.ArrayTerm(ofBytes(maxText-4)), ast.ArrayTerm(ofBytes(maxText-3)), is(`"%s"`)),
			pair(1, ast.ArrayTerm(ofBytes((maxText-10)/2-3)), ast.ArrayTerm(ofBytes((maxText-10)/2-2)), is(`"%[1]s%[1]s"`)),
		},
		"strings.replace_n": {pair(1, ofBytes(maxText/2), ofBytes(maxText/2+1), is(`{"a": "bc"}`)), pair(0, is(`{"a": "b"}`), is(`{"a": "bc"}`), full)},
		"to_number":         append(numbers(0), pair(0, is(`"1e400"`), is(`"1e401"`)), pair(0, full, over)),
		"format_int":        numbers(1),
		"substring":         {pair(0, full, over, is("1"), is("1")), pair(1, ofDigits(maxDigits), ofDigits(maxDigits+1), one, is("1")), pair(2, is("1e400"), is("1e401"), one, is("1"))},
		"array.slice":       {pair(1, ofDigits(maxDigits), ofDigits(maxDigits+1), ofElements(1), is("1")), pair(2, is("1e400"), is("1e401"), ofElements(1), is("1"))},
	}
	for _, name := range []string{"json.is_valid", "json.unmarshal", "yaml.is_valid", "yaml.unmarshal"} {
		all[name] = parsed
	}
	for _, name := range []string{"equal", "neq", "lt", "lte", "gt", "gte", "internal.member_2"} {
		all[name] = rendered(1)
	}
	all["internal.member_3"] = rendered(2)
	for _, name := range []string{"plus", "minus", "mul", "div", "rem"} {
		all[name] = numbers(1)
	}
	for _, name := range []string{"abs", "round", "ceil", "floor"} {
		all[name] = numbers(0)
	}
	for _, name := range []string{"time.parse_duration_ns", "strings.reverse", "urlquery.decode", "crypto.sha256", "glob.quote_meta", "lower", "upper",
		"trim_space", "base64.decode", "base64.encode", "base64url.decode", "hex.decode", "hex.encode"} {
		all[name] = texts(0)
	}
	for _, name := range []string{"indexof_n", "semver.compare", "trim", "trim_left", "trim_prefix", "trim_right", "trim_suffix"} {
		all[name] = texts(1)
	}
	return all
}

// makeNoMore lists the functions whose result is at most as large as their operands.
func makeNoMore() []string {
	return []string{
		"and", "array.reverse", "base64.is_valid", "contains", "endswith", "glob.match", "indexof", "internal.template_string", "intersection", "json.filter", "json.remove", "max", "min",
		"object.filter", "object.keys", "object.remove", "or", "semver.is_valid", "set_diff", "sort", "startswith", "strings.any_prefix_match",
		"strings.any_suffix_match", "strings.count", "union",
	}
}

// Every function that may return much more than it takes is stopped beyond its limit, and not before.
func TestWhatACallMayTakeAndMake(t *testing.T) {
	cases, checks := calls(), limitedBuiltins()
	for name, check := range checks {
		if (len(cases[name]) == 0) != slices.Contains(makeNoMore(), name) {
			t.Errorf("%s: is it limited?", name)
		}
		for i, pair := range cases[name] {
			if reason := check(pair[0]); reason != "" {
				t.Errorf("%s, %d: refused for %s", name, i, reason)
			}
			if check(pair[1]) == "" {
				t.Errorf("%s, %d: not refused", name, i)
			}
		}
	}
	for _, name := range makeNoMore() {
		if checks[name] == nil {
			t.Errorf("%s is not allowed", name)
		} else if reason := checks[name](slices.Repeat([]*ast.Term{ofBytes(maxText + 1)}, 3)); reason != "" {
			t.Errorf("%s: %s", name, reason)
		}
	}
	if missing := slices.DeleteFunc(slices.Sorted(maps.Keys(cases)), func(name string) bool { return checks[name] != nil }); len(missing) > 0 {
		t.Errorf("not limited: %s", missing)
	}
}

// Operands of the wrong type are left to the function to report.
func TestOddOperandsAreLeftToTheFunction(t *testing.T) {
	for name, check := range limitedBuiltins() {
		for _, odd := range []string{`null`, `true`, `{"a": {"b": 1}}`, `["a", 1, [2]]`, `{1, "b", null}`, `1`, `1.5`, `"["`, `"%"`, `"1e9999x"`, `""`} {
			if reason := check(slices.Repeat([]*ast.Term{is(odd)}, 3)); reason != "" {
				t.Errorf("%s of %s: %s", name, odd, reason)
			}
		}
	}
}

// Widths, precisions and indexes are read only inside verbs.
func TestWhatAFormatWrites(t *testing.T) {
	for format, want := range map[string]struct{ verbs, widest int }{
		``: {0, 0}, `5000`: {0, 0}, `%d`: {1, 0}, `%%`: {1, 0}, `%%5000`: {1, 0}, `%d5000`: {1, 0}, `%5d`: {1, 5}, `%d %12s`: {2, 12}, `%12s %d`: {2, 12},
		`%-7d`: {1, 7}, `%+7d`: {1, 7}, `%#7x`: {1, 7}, `% 7d`: {1, 7}, `%.7f`: {1, 7}, `%3.7f`: {1, 7}, `%7.3f`: {1, 7}, `%[9]d`: {1, 9}, `%[2]9d`: {1, 9},
		`%1000d`: {1, 1000}, `%s*`: {1, 0}, `*`: {0, 0}, `%.1000d %d`: {2, 1000},
	} {
		if verbs, widest, reason := readFormat(format); verbs != want.verbs || widest != want.widest || reason != "" {
			t.Errorf("%q: got %d, %d, %q", format, verbs, widest, reason)
		}
	}
	for format, want := range map[string]string{
		`%*d`: "a width or precision that is an argument", `%.*d`: "a width or precision that is an argument", `%5*d`: "a width or precision that is an argument",
		`%1001d`: "a width, precision or index above 1000", `%.1001d`: "a width, precision or index above 1000", `%[1001]d`: "a width, precision or index above 1000",
		`%99999999999999999999d`: "a width, precision or index above 1000", `%d %1001d`: "a width, precision or index above 1000",
	} {
		if verbs, widest, reason := readFormat(format); verbs != 0 || widest != 0 || reason != want {
			t.Errorf("%q: got %d, %d, %q", format, verbs, widest, reason)
		}
	}
}
