package sandbox

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const (
	// maxText is how long a text may be that a built-in function of a user's policy takes
	// or makes, in bytes. No text of an object is longer: the API server takes requests of
	// 3 MiB at most.
	maxText = 4 << 20
	// maxElements is how many elements a list may have that one of them makes.
	maxElements = 100_000
	// maxDigits is how long a number may be, and maxExponent how large.
	maxDigits   = 400
	maxExponent = 400
	// maxWidth is how far a text may be padded.
	maxWidth = 1_000
)

// A limit returns what is too large about the operands of a call, or "".
type limit func(operands []*ast.Term) string

// none is for functions that make at most what is there already.
func none([]*ast.Term) string { return "" }

// limits has every allowed built-in function whose result may be much larger than its
// operands, or that may take very long over some. OPA limits none of them, and cannot
// stop one that runs. The others make at most what is there already.
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

// limitedBuiltins returns the built-in functions that have a limited version: those with a limit, and those
// whose work is charged.
func limitedBuiltins() map[string]limit {
	all := limits()
	for name := range costs() {
		if all[name] == nil {
			all[name] = none
		}
	}
	return all
}

// limitedPrefix and a name is what OPA calls the limited version of a built-in function: it takes
// the implementation of a name from us only if the name is not its own. The b_ is for contains, a keyword.
const limitedPrefix = "limited.b_"

// Written returns the message of an error as the author of a Policy knows it, without the prefix of a
// limited built-in function.
func Written(message string) string {
	if !strings.HasPrefix(message, limitedPrefix) {
		return message
	}
	_, rest, _ := strings.Cut(message, ": ")
	return rest
}

// Limit makes a compiler's modules call the limited versions of built-in functions, which Builtins
// implements. It takes effect after types are checked, so that errors name the functions as written.
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
		declared.CanSkipBctx = false // without its context, a call finds no meter to charge
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
		m, metered := call.Cancel.(*Meter) // not in a Rego test
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
			// Any other error would make the call undefined, and the rule go on.
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
