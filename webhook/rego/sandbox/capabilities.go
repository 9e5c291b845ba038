package sandbox

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// Capabilities returns what policies may use, including those of the library: pure functions of their
// arguments. There is no network, clock, randomness or environment, and nothing that reads a remote schema. New
// built-in functions of OPA are not allowed until they are listed here.
func Capabilities() *ast.Capabilities {
	allowed := allowedBuiltins()
	caps := ast.CapabilitiesForThisVersion()
	var builtins []*ast.Builtin
	for _, builtin := range caps.Builtins {
		if allowed[builtin.Name] {
			builtins = append(builtins, builtin)
		}
	}
	caps.Builtins = builtins
	caps.AllowNet = []string{}
	return caps
}

func allowedBuiltins() map[string]bool {
	allowed := map[string]bool{}
	for _, group := range [][]string{
		{"eq", "equal", "neq", "lt", "lte", "gt", "gte", "assign"},
		{"plus", "minus", "mul", "div", "rem", "abs", "round", "ceil", "floor"},
		{"count", "sum", "product", "max", "min", "sort", "numbers.range"},
		{"and", "or", "union", "intersection", "set_diff", "internal.member_2", "internal.member_3"},
		{"array.concat", "array.slice", "array.reverse", "array.flatten"},
		{"object.get", "object.keys", "object.remove", "object.subset", "object.union", "object.union_n", "object.filter"},
		{"concat", "contains", "endswith", "format_int", "indexof", "indexof_n", "lower", "replace", "split", "sprintf",
			"startswith", "strings.any_prefix_match", "strings.any_suffix_match", "strings.count", "strings.replace_n",
			"strings.reverse", "substring", "trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix",
			"upper", "internal.template_string"},
		{"regex.find_n", "regex.find_all_string_submatch_n", "regex.is_valid", "regex.match", "regex.replace", "regex.split"},
		{"glob.match", "glob.quote_meta"},
		{"base64.decode", "base64.encode", "base64.is_valid", "base64url.decode", "hex.decode", "hex.encode"},
		{"json.filter", "json.is_valid", "json.marshal", "json.remove", "json.unmarshal", "urlquery.decode", "yaml.is_valid", "yaml.unmarshal"},
		{"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "type_name", "to_number"},
		{"semver.compare", "semver.is_valid", "crypto.sha256", "time.parse_duration_ns", "print", "internal.print"},
	} {
		for _, name := range group {
			allowed[name] = true
		}
	}
	return allowed
}
