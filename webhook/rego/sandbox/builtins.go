package sandbox

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const (
	// maxText limits, in bytes, the texts that a built-in function takes from or returns to a user's policy. No
	// text of an object is longer, because the API server accepts at most 3 MiB.
	maxText = 4 << 20
	// maxElements limits the lists that a built-in function returns.
	maxElements = 100_000
	// maxDigits limits the length of a number, and maxExponent its magnitude.
	maxDigits   = 400
	maxExponent = 400
	// maxWidth limits the padding of a text.
	maxWidth = 1_000
)

// A limit returns which part of a call's operands is too large, or "".
type limit func(operands []*ast.Term) string

// none is the limit of functions whose result is no larger than their operands.
func none([]*ast.Term) string { return "" }

// limits returns the limits of those allowed built-in functions whose result may be much larger than their
// operands, or that may run very long. OPA neither limits them nor can interrupt them. All others return at
// most as much as they take.
func limits() map[string]limit {
	all := map[string]limit{
		"array.concat":                     limitLengths,
		"array.flatten":                    limitFlatten,
		"concat":                           limitConcat,
		"json.is_valid":                    limitParsed,
		"json.marshal":                     limitRendered,
		"json.unmarshal":                   limitParsed,
		"numbers.range":                    limitRange,
		"object.subset":                    limitRendered,
		"object.union":                     limitRendered,
		"object.union_n":                   limitRendered,
		"product":                          limitProduct,
		"regex.find_all_string_submatch_n": limitMatches,
		"regex.find_n":                     limitMatches,
		"regex.is_valid":                   limitPattern,
		"regex.match":                      limitPattern,
		"regex.replace":                    limitRegexReplace,
		"regex.split":                      limitRegexSplit,
		"replace":                          limitReplace,
		"split":                            limitSplit,
		"sprintf":                          limitFormat,
		"strings.replace_n":                limitReplaceN,
		"to_number":                        limitNumbers,
		"yaml.is_valid":                    limitParsed,
		"yaml.unmarshal":                   limitParsed,
		"sum":                              limitElements,
		"time.parse_duration_ns":           limitTexts,
		"indexof_n":                        limitTexts,
		"strings.reverse":                  limitTexts,
		"urlquery.decode":                  limitTexts,
		"crypto.sha256":                    limitTexts,
		"glob.quote_meta":                  limitTexts,
		"semver.compare":                   limitTexts,
	}
	for _, name := range []string{"equal", "neq", "lt", "lte", "gt", "gte", "internal.member_2", "internal.member_3"} {
		all[name] = limitRendered
	}
	for _, name := range []string{"lower", "upper", "trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix",
		"base64.decode", "base64.encode", "base64url.decode", "hex.decode", "hex.encode"} {
		all[name] = limitTexts
	}
	for _, name := range []string{"plus", "minus", "mul", "div", "rem", "abs", "round", "ceil", "floor", "format_int", "substring", "array.slice"} {
		all[name] = limitNumbers
	}
	return all
}

// limitedBuiltins returns the built-in functions that are replaced with a limited version: those that have a
// limit, and those that are charged for their work.
func limitedBuiltins() map[string]limit {
	all := limits()
	for name := range costs() {
		if all[name] == nil {
			all[name] = none
		}
	}
	return all
}

// limitedPrefix is prepended to a built-in function's name to name its limited version, because OPA accepts
// custom implementations only under names that it does not define itself. The b_ avoids the keyword contains.
const limitedPrefix = "limited.b_"

// Written returns an error message with function names as the Policy's author wrote them, without
// limitedPrefix.
func Written(message string) string {
	if !strings.HasPrefix(message, limitedPrefix) {
		return message
	}
	_, rest, _ := strings.Cut(message, ": ")
	return rest
}

// Limit makes a compiler's modules call the limited versions of built-in functions, which Builtins implements.
// It runs after type checking, so that type errors name the functions as written.
func Limit(compiler *ast.Compiler) *ast.Compiler {
	operators := map[string]*ast.Term{}
	for name := range limitedBuiltins() {
		operators[name] = ast.NewTerm(ast.MustParseRef(limitedPrefix + name))
	}
	return compiler.WithStageAfterID(ast.StageCheckTypes, ast.CompilerStageDefinition{
		Name: "limit_builtins", MetricName: "compile_stage_limit_builtins", Stage: func(c *ast.Compiler) *ast.Error {
			for _, module := range c.Modules {
				ast.WalkExprs(module, func(expr *ast.Expr) bool {
					rebind(expr, operators)
					return false
				})
			}
			return nil
		},
	})
}

func rebind(expr *ast.Expr, operators map[string]*ast.Term) {
	if expr.IsCall() {
		if limited := operators[expr.Operator().String()]; limited != nil {
			expr.SetOperator(limited)
		}
	}
	for _, with := range expr.With {
		if limited := operators[with.Target.String()]; limited != nil {
			with.Target = limited
		}
	}
}

// Builtins returns the implementations of the functions that Limit inserts.
func Builtins() map[string]*topdown.Builtin {
	all := map[string]*topdown.Builtin{}
	for name, check := range limitedBuiltins() {
		declared := *ast.BuiltinMap[name]
		declared.Name = limitedPrefix + name
		declared.CanSkipBctx = false // a call needs its context to find its meter
		all[declared.Name] = &topdown.Builtin{Decl: &declared, Func: limited(name, check)}
	}
	return all
}

func limited(name string, check limit) topdown.BuiltinFunc {
	original, written, price := topdown.GetBuiltin(name), name, costs()[name]
	if infix := ast.BuiltinMap[name].Infix; infix != "" {
		written = "`" + infix + "`"
	}
	return func(call topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		m, metered := call.Cancel.(*Meter) // Rego tests have none
		if metered {
			if m.charge(price(m, operands)); m.ended() {
				return topdown.Halt{Err: &topdown.Error{Code: topdown.CancelErr}}
			}
		}
		if reason := check(operands); reason != "" {
			limit := &LimitError{Builtin: written, Reason: reason}
			if call.Location != nil {
				limit.File, limit.Row = call.Location.File, call.Location.Row
			}
			// Any other error would only make the call undefined, and the rule would continue.
			return topdown.Halt{Err: limit}
		}
		if !metered {
			return original(call, operands, iter)
		}
		return original(call, operands, func(result *ast.Term) error {
			m.charge(made(result))
			return iter(result)
		})
	}
}
