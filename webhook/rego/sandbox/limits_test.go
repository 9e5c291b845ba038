package sandbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// evaluate returns the result of a user's Policy with these rules for an object with this data.
func evaluate(t *testing.T, rules string, data map[string]any) decision.Result {
	t.Helper()
	library, err := rego.Load(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	catalog, bad := library.With(map[string]string{"own": "# METADATA\n# title: T\n# description: D.\n# custom:\n#   id: own\n#   severity: low\n" +
		"#   kinds: [ConfigMap]\n#   remediation: R.\npackage taffrail.user.own\n\n" + rules + "\n"})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	program, err := rego.Compile(catalog, []rego.Instance{{Policy: "own"}})
	if err != nil {
		t.Fatal(err)
	}
	r := &decision.Request{
		Kind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Operation: decision.Create, Origin: decision.OriginManifest,
		Object: map[string]any{"data": data},
	}
	results, err := program.WithEngine(rego.EngineTopdown).Evaluate(t.Context(), r, []int{0}, rego.Deny)
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// only returns the members of data that the rules mention: converting the others takes most of a test's time.
func only(rules string, data map[string]any) map[string]any {
	some := map[string]any{}
	for name, value := range data {
		if regexp.MustCompile(`d(ata)?\.` + name + `\b`).MatchString(rules) {
			some[name] = value
		}
	}
	return some
}

// values returns the data of these tests' objects.
func values() map[string]any {
	many, digits := make([]any, 60_000), make([]any, 450)
	for i := range many {
		many[i] = i
	}
	for i := range digits {
		digits[i] = json.Number("1" + strings.Repeat("0", 100))
	}
	other := append([]any{}, many...)
	return map[string]any{
		"long": strings.Repeat("a", 5<<20), "letters": strings.Repeat("a", 100_001), "half": strings.Repeat("a", 3<<20), "some": strings.Repeat("a", 3_000), "word": strings.Repeat("b", 2_000),
		"pattern": strings.Repeat("a", 10_001), "values": "[" + strings.Repeat("1,", 200_001) + "1]",
		"huge": json.Number("1e999"), "wide": json.Number("1" + strings.Repeat("0", 500)), "hugeText": "1e999",
		"many": many, "other": other, "digits": digits,
	}
}

// tooLarge has, for each limited built-in function, calls that take or make more than allowed. d is the
// object's data.
var tooLarge = map[string][]string{
	"array.concat":                     {`array.concat(d.many, d.other)`},
	"array.flatten":                    {`array.flatten([d.many, d.other])`},
	"concat":                           {`concat("", [d.long])`, `concat(d.long, ["a"])`},
	"json.is_valid":                    {`json.is_valid(d.long)`, `json.is_valid(d.values)`},
	"json.marshal":                     {`json.marshal(d.long)`},
	"json.unmarshal":                   {`json.unmarshal(d.long)`, `json.unmarshal(d.values)`},
	"numbers.range":                    {`numbers.range(1, 100001)`, `numbers.range(1, d.huge)`},
	"object.subset":                    {`object.subset({"a": d.long}, {"a": 1})`},
	"object.union":                     {`object.union({"a": d.long}, {"a": 1})`},
	"object.union_n":                   {`object.union_n([{"a": d.long}])`},
	"product":                          {`product([d.huge])`, `product(d.digits)`},
	"regex.find_all_string_submatch_n": {`regex.find_all_string_submatch_n("a", d.letters, -1)`, `regex.find_all_string_submatch_n(d.pattern, "a", -1)`},
	"regex.find_n":                     {`regex.find_n("a", d.letters, -1)`, `regex.find_n(d.pattern, "a", -1)`},
	"regex.is_valid":                   {`regex.is_valid(d.pattern)`},
	"regex.match":                      {`regex.match(d.pattern, "a")`},
	"regex.replace":                    {`regex.replace(d.some, "a", d.word)`, `regex.replace("a", d.pattern, "b")`},
	"regex.split":                      {`regex.split("a", d.letters)`, `regex.split(d.pattern, "a")`},
	"replace":                          {`replace(d.some, "a", d.word)`},
	"split":                            {`split(d.letters, "a")`},
	"sprintf":                          {`sprintf("%1001d", [1])`, `sprintf("%*d", [1, 1])`, `sprintf("%s", [d.long])`, `sprintf("%[1]s%[1]s", [d.half])`},
	"strings.replace_n":                {`strings.replace_n({"a": d.word}, d.some)`},
	"to_number":                        {`to_number(d.hugeText)`},
	"yaml.is_valid":                    {`yaml.is_valid(d.long)`, `yaml.is_valid(d.values)`},
	"yaml.unmarshal":                   {`yaml.unmarshal(d.long)`, `yaml.unmarshal(d.values)`},
	"sum":                              {`sum([d.huge])`},
	"time.parse_duration_ns":           {`time.parse_duration_ns(d.long)`},
	"indexof_n":                        {`indexof_n(d.long, "b")`},
	"strings.reverse":                  {`strings.reverse(d.long)`},
	"urlquery.decode":                  {`urlquery.decode(d.long)`},
	"crypto.sha256":                    {`crypto.sha256(d.long)`},
	"glob.quote_meta":                  {`glob.quote_meta(d.long)`},
	"semver.compare":                   {`semver.compare(d.long, "1.0.0")`},
	"equal":                            {`[d.long] == d.digits`},
	"neq":                              {`[d.long] != d.digits`},
	"lt":                               {`[d.long] < d.digits`},
	"lte":                              {`[d.long] <= d.digits`},
	"gt":                               {`[d.long] > d.digits`},
	"gte":                              {`[d.long] >= d.digits`},
	"internal.member_2":                {`1 in [d.long]`},
	"internal.member_3":                {`1, 2 in [d.long]`},
	"lower":                            {`lower(d.long)`},
	"upper":                            {`upper(d.long)`},
	"trim":                             {`trim(d.long, "b")`},
	"trim_left":                        {`trim_left(d.long, "b")`},
	"trim_prefix":                      {`trim_prefix(d.long, "b")`},
	"trim_right":                       {`trim_right(d.long, "b")`},
	"trim_space":                       {`trim_space(d.long)`},
	"trim_suffix":                      {`trim_suffix(d.long, "b")`},
	"base64.decode":                    {`base64.decode(d.long)`},
	"base64.encode":                    {`base64.encode(d.long)`},
	"base64url.decode":                 {`base64url.decode(d.long)`},
	"hex.decode":                       {`hex.decode(d.long)`},
	"hex.encode":                       {`hex.encode(d.long)`},
	"plus":                             {`d.huge + 1`, `d.wide + 1`},
	"minus":                            {`d.huge - 1`},
	"mul":                              {`d.huge * 2`},
	"div":                              {`d.huge / 2`},
	"rem":                              {`d.huge % 2`},
	"abs":                              {`abs(d.huge)`},
	"round":                            {`round(d.huge)`},
	"ceil":                             {`ceil(d.huge)`},
	"floor":                            {`floor(d.huge)`},
	"format_int":                       {`format_int(d.huge, 10)`},
	"substring":                        {`substring("abc", d.huge, 1)`},
	"array.slice":                      {`array.slice(d.many, 1, d.huge)`},
}

// OPA limits no built-in function, and none can be stopped.
func TestBuiltinsTakeAndMakeOnlySoMuch(t *testing.T) {
	data := values()
	for _, name := range sandbox.LimitedBuiltins() {
		calls := tooLarge[name]
		if len(calls) == 0 {
			t.Errorf("%s is limited, and nothing shows why", name)
		}
		for _, call := range calls {
			t.Run(call, func(t *testing.T) {
				result := evaluate(t, "d := input.object.data\n\ndeny contains {\"msg\": \"m\", \"path\": \"p\"} if {\n\tmade := "+call+"\n\tis_string(type_name(made))\n}", only(call, data))
				if limit := new(sandbox.LimitError); !errors.As(result.Err, &limit) || limit.File != "Policy/own" || limit.Row == 0 {
					t.Errorf("got %v", result.Err)
				}
			})
		}
	}
}

// loop evaluates a body n times.
func loop(n int, body string) string {
	return fmt.Sprintf("deny contains {\"msg\": \"m\", \"path\": \"p\"} if {\n\tsome i in numbers.range(1, %d)\n\t%s\n\ti == -1\n}", n, body)
}

// Each of these has few expressions, but at least one that does much more work than a step.
var expensive = map[string]string{
	// Unlike concat and replace, sprintf never asks the meter while it runs.
	"long results": loop(200, `sprintf("`+strings.Repeat("%[1]s", 64)+`", [input.object.data.some]) == ""`),

	"an endless loop":             "deny contains {\"msg\": \"m\", \"path\": \"p\"} if {\n\tsome a in numbers.range(1, 9999)\n\tsome b in numbers.range(1, 9999)\n\ta * b == -1\n}",
	"large operands":              loop(200, `startswith(input.object.data.longer, "b")`),
	"large results":               loop(40, `count(array.concat(input.object.data.many, [])) == 7`),
	"a large value in use":        loop(9999, "big = input.object.data.many\n\tcount(big) > 1"),
	"a large literal":             "large(a) := [a" + strings.Repeat(", 1", 9_000) + "]\n\n" + loop(900, `count(large(i)) == 7`),
	"many results":                "all := {[i, j] |\n\tsome i in numbers.range(1, 100)\n\tsome j in numbers.range(1, 100)\n}\n\ndeny contains {\"msg\": \"m\", \"path\": \"p\"} if count(all) == 7",
	"a large input replaced":      "named if input.object.name == -1\n\n" + loop(400, "count(input.object.data.many) > 1\n\tnamed with input.object.name as i"),
	"sets that are compared":      "set := {x | some x in numbers.range(1, 1500)}\n\n" + loop(600, "set = object.get({\"a\": set}, \"a\", 1)"),
	"long texts that are unified": loop(500, "text = input.object.data.longer\n\ttext = input.object.data.longer"),
	"patterns":                    loop(9000, `regex.match("a+b", input.object.data.some)`),
	"sorting":                     loop(20, `count(sort(input.object.data.many)) == 7`),
	"globs":                       loop(3000, `glob.match("a*b", null, input.object.data.some)`),
	"globs of alternatives":       loop(300, `glob.match("*{a,b}*{b,c}", null, input.object.data.some)`),
	"globs that try every length": loop(10, `glob.match("*a*a*{b,c}", [], "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")`),
	"globs with a literal end":    loop(10, `glob.match("*a*a*a*b", [], "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b")`),
	"replacers":                   loop(200, `count(strings.replace_n({input.object.data.word: "b"}, input.object.data.some)) == 7`),
}

func TestWorkIsCharged(t *testing.T) {
	data := values()
	data["longer"] = strings.Repeat("a", 2<<20)
	for name, rules := range expensive {
		t.Run(name, func(t *testing.T) {
			if result := evaluate(t, rules, only(rules, data)); !errors.Is(result.Err, compile.ErrBudget) {
				t.Errorf("got %+v", result)
			}
		})
	}
}

// OPA recurses for each part of two values that it unifies, and a stack overflow ends the process.
func TestUnificationIsOfSmallValues(t *testing.T) {
	data := only("d.many d.other", values())
	result := evaluate(t, `deny contains {"msg": "m", "path": "p"} if input.object.data.many = input.object.data.other`, data)
	if !errors.Is(result.Err, compile.ErrBudget) {
		t.Errorf("got %+v", result)
	}
	// `==` compares them without recursion.
	result = evaluate(t, `deny contains {"msg": "m", "path": "p"} if input.object.data.many == input.object.data.other`, data)
	if result.Err != nil || len(result.Violations) != 1 {
		t.Errorf("got %+v", result)
	}
}
