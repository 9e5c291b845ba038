package rego

import (
	"errors"
	"fmt"

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

// ErrTooLarge is wrapped by the errors about values that are larger than users' Policies may
// make.
var ErrTooLarge = errors.New("is larger than a Policy may make")

// LimitError is returned when a call of a built-in function would have made too much.
type LimitError struct {
	File string
	Row  int
	// Builtin as it is written in Rego.
	Builtin string
	Reason  string
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s at %s:%d takes or makes %s", e.Builtin, e.File, e.Row, e.Reason)
}

// Unwrap returns ErrTooLarge.
func (e *LimitError) Unwrap() error { return ErrTooLarge }

// A bound says what is too large about the operands of a call, "" where nothing is.
type bound func(operands []*ast.Term) string

// none is for functions that make at most what is there already.
func none([]*ast.Term) string { return "" }

// bounds has every allowed built-in function whose result may be much larger than its
// operands, or that may take very long over some. OPA limits none of them, and cannot
// stop one that runs. The others make at most what is there already.
func bounds() map[string]bound {
	all := map[string]bound{
		"array.concat":                     boundLengths,
		"array.flatten":                    boundFlatten,
		"concat":                           boundConcat,
		"internal.template_string":         boundRendered,
		"json.is_valid":                    boundParsed,
		"json.marshal":                     boundRendered,
		"json.unmarshal":                   boundParsed,
		"numbers.range":                    boundRange,
		"object.subset":                    boundRendered,
		"object.union":                     boundRendered,
		"object.union_n":                   boundRendered,
		"product":                          boundProduct,
		"regex.find_all_string_submatch_n": boundMatches,
		"regex.find_n":                     boundMatches,
		"regex.is_valid":                   boundPattern,
		"regex.match":                      boundPattern,
		"regex.replace":                    boundRegexReplace,
		"regex.split":                      boundRegexSplit,
		"replace":                          boundReplace,
		"split":                            boundSplit,
		"sprintf":                          boundFormat,
		"strings.replace_n":                boundReplaceN,
		"to_number":                        boundNumbers,
		"yaml.is_valid":                    boundParsed,
		"yaml.unmarshal":                   boundParsed,
		"sum":                              boundElements,
		"time.parse_duration_ns":           boundTexts,
		"indexof_n":                        boundTexts,
		"strings.reverse":                  boundTexts,
		"urlquery.decode":                  boundTexts,
		"crypto.sha256":                    boundTexts,
		"glob.quote_meta":                  boundTexts,
		"semver.compare":                   boundTexts,
	}
	for _, name := range []string{"equal", "neq", "lt", "lte", "gt", "gte", "internal.member_2", "internal.member_3"} {
		all[name] = boundRendered
	}
	for _, name := range []string{"lower", "upper", "trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix",
		"base64.decode", "base64.encode", "base64url.decode", "hex.decode", "hex.encode"} {
		all[name] = boundTexts
	}
	for _, name := range []string{"plus", "minus", "mul", "div", "rem", "abs", "round", "ceil", "floor", "format_int", "substring", "array.slice"} {
		all[name] = boundNumbers
	}
	for name := range costs() {
		if all[name] == nil {
			all[name] = none
		}
	}
	return all
}

// boundName is the name that the bounded version of a built-in function has for OPA. It
// takes the implementation of a name that it knows from nobody else.
func boundName(builtin string) string { return "bounded.b_" + builtin } // contains is a keyword

// bind makes a compiler's modules call the bounded versions. That happens when types have
// been checked, so that people read of the functions that they called.
func bind(compiler *ast.Compiler) *ast.Compiler {
	operators := map[string]*ast.Term{}
	for name := range bounds() {
		operators[name] = ast.NewTerm(ast.MustParseRef(boundName(name)))
	}
	return compiler.WithStageAfterID(ast.StageCheckTypes, ast.CompilerStageDefinition{
		Name: "bind_builtins", MetricName: "compile_stage_bind_builtins", Stage: func(c *ast.Compiler) *ast.Error {
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
		if bounded := operators[expr.Operator().String()]; bounded != nil {
			expr.SetOperator(bounded)
		}
	}
	for _, with := range expr.With {
		if bounded := operators[with.Target.String()]; bounded != nil {
			with.Target = bounded
		}
	}
}

// compareEquals leaves `==` a function. OPA makes a unification of it, for its rule indexer,
// and goes through two values that it unifies with a call in a call for each part: large
// ones overflow the stack, and that ends the process. Where one side is a single value, as in
// input.kind == "Pod", nothing can be gone through, and the indexer knows what to do with it.
func compareEquals(compiler *ast.Compiler) *ast.Compiler {
	return compiler.WithSkipStages(ast.StageRewriteEquals).WithStageAfterID(ast.StageCheckSafetyRuleBodies, ast.CompilerStageDefinition{
		Name: "compare_equals", MetricName: "compile_stage_compare_equals", Stage: func(c *ast.Compiler) *ast.Error {
			for _, module := range c.Modules {
				ast.WalkExprs(module, func(expr *ast.Expr) bool {
					if expr.IsCall() && expr.Operator().Equal(ast.Equal.Ref()) && len(expr.Operands()) == 2 &&
						(ast.IsScalar(expr.Operand(0).Value) || ast.IsScalar(expr.Operand(1).Value)) {
						expr.SetOperator(ast.NewTerm(ast.Equality.Ref()))
					}
					return false
				})
			}
			return nil
		},
	})
}

// boundedBuiltins are the implementations that a query needs for the names that bind puts in.
func boundedBuiltins() map[string]*topdown.Builtin {
	all := map[string]*topdown.Builtin{}
	for name, check := range bounds() {
		declared := *ast.BuiltinMap[name]
		declared.Name = boundName(name)
		all[declared.Name] = &topdown.Builtin{Decl: &declared, Func: bounded(name, check)}
	}
	return all
}

func bounded(name string, check bound) topdown.BuiltinFunc {
	original, written, price := topdown.GetBuiltin(name), name, costs()[name]
	if infix := ast.BuiltinMap[name].Infix; infix != "" {
		written = "`" + infix + "`"
	} else if name == ast.InternalTemplateString.Name {
		written = "a template string"
	}
	return func(call topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		m, metered := call.Cancel.(*meter) // not in a Rego test
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
