package rego_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// ownReads lists ways to read the parameters {word: W, words: {W: W-inner}}, each with what it returns.
var ownReads = map[string]struct{ body, finds string }{
	"name":          {`deny contains {"msg": input.parameters.word, "path": "p"}`, "W"},
	"bracket":       {`deny contains {"msg": input["parameters"]["word"], "path": "p"}`, "W"},
	"nested":        {`deny contains {"msg": input.parameters.words[input.parameters.word], "path": "p"}`, "W-inner"},
	"whole":         {"deny contains {\"msg\": own.word, \"path\": \"p\"} if {\n\town := input.parameters\n}", "W"},
	"alias rule":    {"own := input.parameters\n\ndeny contains {\"msg\": own.word, \"path\": \"p\"}", "W"},
	"import":        {"import input.parameters.word as given\n\ndeny contains {\"msg\": given, \"path\": \"p\"}", "W"},
	"import all":    {"import input.parameters\n\ndeny contains {\"msg\": parameters.word, \"path\": \"p\"}", "W"},
	"variable":      {"deny contains {\"msg\": input.parameters[name], \"path\": \"p\"} if {\n\tsome name in [\"word\", \"other\"]\n}", "W"},
	"iteration":     {"deny contains {\"msg\": text, \"path\": \"p\"} if {\n\tsome name\n\ttext := input.parameters[name]\n\tis_string(text)\n}", "W"},
	"call":          {`deny contains {"msg": object.get(input.parameters, "word", "none"), "path": "p"}`, "W"},
	"object key":    {"deny contains {\"msg\": text, \"path\": \"p\"} if {\n\tsome text in object.keys(by)\n}\n\nby[input.parameters.word] := true", "W"},
	"head":          {"deny contains {\"msg\": text, \"path\": \"p\"} if {\n\tsome text in object.keys(by.words)\n}\n\nby.words[input.parameters.word].yes := true", "W"},
	"else":          {"deny contains {\"msg\": text, \"path\": \"p\"}\n\ntext := \"none\" if {\n\tinput.parameters.none\n} else := input.parameters.word", "W"},
	"every":         {"deny contains {\"msg\": \"all\", \"path\": \"p\"} if {\n\tevery word in [input.parameters.word] {\n\t\tword == input.parameters.word\n\t}\n}", "all"},
	"with":          {"deny contains {\"msg\": word, \"path\": \"p\"} if {\n\tword := inner with input.parameters.word as \"new\"\n}\n\ninner := input.parameters.word", "new"},
	"with all":      {"deny contains {\"msg\": word, \"path\": \"p\"} if {\n\tword := inner with input.parameters as {\"word\": \"new\"}\n}\n\ninner := input.parameters.word", "new"},
	"helper":        {"import data.taffrail.lib.words\n\ndeny contains {\"msg\": words.quoted(input.parameters.word), \"path\": \"p\"}", "'W'"},
	"template":      {"deny contains {\"msg\": $\"a {input.parameters.word}\", \"path\": \"p\"}", "a W"},
	"not":           {"import future.keywords.not\n\ndeny contains {\"msg\": \"no\", \"path\": \"p\"} if {\n\tnot input.parameters.none\n}", "no"},
	"comprehension": {"deny contains {\"msg\": one[0], \"path\": \"p\"} if {\n\tone := [text | text := input.parameters.word]\n}", "W"},
}

const quoting = "package taffrail.lib.words\n\nquoted(text) := sprintf(\"'%s'\", [text])\n"

func parametersOf(word string) map[string]any {
	return map[string]any{"word": word, "words": map[string]any{word: word + "-inner"}}
}

func messageOf(result decision.Result) string {
	if result.Err != nil {
		return result.Err.Error()
	}
	var messages []string
	for _, violation := range result.Violations {
		messages = append(messages, violation.Message)
	}
	return strings.Join(messages, "|")
}

// Policies that are evaluated together each see their own parameters.
func TestAPolicySeesItsOwnParameters(t *testing.T) {
	for name, test := range ownReads {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{"lib/words/words.rego": {Data: []byte(quoting)}}
			for _, id := range []string{"a-policy", "b-policy"} {
				path, source := file(id, test.body)
				files[path] = source
			}
			catalog, err := rego.Load(files)
			if err != nil {
				t.Fatal(err)
			}
			instances := []rego.Instance{{Policy: "a-policy", Parameters: parametersOf("one")}, {Policy: "b-policy", Parameters: parametersOf("two")}}
			p, err := rego.Compile(catalog, instances)
			if err != nil {
				t.Fatal(err)
			}
			results, err := p.Evaluate(t.Context(), configMap(nil), []int{0, 1}, rego.Both)
			if err != nil {
				t.Fatal(err)
			}
			for i, word := range []string{"one", "two"} {
				if want := strings.ReplaceAll(test.finds, "W", word); messageOf(results[i]) != want {
					t.Errorf("%s: got %q, want %q", instances[i].Policy, messageOf(results[i]), want)
				}
			}
		})
	}
}

// The library reads only named members of input: otherwise a module could read the parameters of others.
func TestTheLibraryReadsInputByName(t *testing.T) {
	const whole = "input as a whole"
	for name, test := range map[string]struct{ body, helper, want string }{
		"variable":      {body: "deny contains {\"msg\": own.parameters.word, \"path\": \"p\"} if {\n\town := input\n}", want: whole},
		"computed name": {body: "deny contains {\"msg\": input[name].word, \"path\": \"p\"} if {\n\tname := \"parameters\"\n}", want: whole},
		"call":          {body: `deny contains {"msg": object.get(input, ["parameters", "word"], ""), "path": "p"}`, want: whole},
		"import":        {body: "import input as request\n\ndeny contains {\"msg\": object.get(request, \"kind\", \"\"), \"path\": \"p\"}", want: whole},
		"with":          {body: "deny contains {\"msg\": \"m\", \"path\": \"p\"} if {\n\tinner with input as {\"parameters\": {}}\n}\n\ninner if input.kind", want: whole},
		"helper":        {body: always, helper: "short if input.parameters.word", want: "a helper has no parameters"},
		"whole helper":  {body: always, helper: "short := input", want: whole},
	} {
		t.Run(name, func(t *testing.T) {
			path, source := file("a-policy", test.body)
			_, err := rego.Load(fstest.MapFS{path: source, "lib/words/words.rego": {Data: []byte(quoting + "\n" + test.helper + "\n")}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

const userParameters = "#   parameters:\n#     type: object\n#     properties:\n#       word: {type: string, default: none, description: A word.}\n" +
	"#       words: {type: object, default: {}, description: More words.}\n"

// userMessage returns what a user's Policy finds under parametersOf(word), and its deprecations.
func userMessage(t *testing.T, id, declared, body string, parameters map[string]any) (message string, deprecations []string) {
	t.Helper()
	path, source := file("a-library", always)
	catalog, err := rego.Load(fstest.MapFS{path: source, "lib/words/words.rego": {Data: []byte(quoting)}})
	if err != nil {
		t.Fatal(err)
	}
	more, bad := catalog.With(map[string]string{id: strings.Replace(user(id, body), "package ", declared+"package ", 1)})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	p, err := rego.Compile(more, []rego.Instance{{Policy: id, Parameters: parameters}})
	if err != nil {
		t.Fatal(err)
	}
	results, err := p.Evaluate(t.Context(), configMap(nil), []int{0}, rego.Both)
	if err != nil {
		t.Fatal(err)
	}
	policy, _ := more.Policy(id)
	return messageOf(results[0]), policy.Deprecations()
}

func TestAUsersPolicySeesItsOwnParameters(t *testing.T) {
	for name, test := range ownReads {
		t.Run(name, func(t *testing.T) {
			message, deprecations := userMessage(t, "my-own", userParameters, test.body, parametersOf("one"))
			if want := strings.ReplaceAll(test.finds, "W", "one"); message != want || len(deprecations) > 0 {
				t.Errorf("got %q, %v, want %q", message, deprecations, want)
			}
		})
	}
}

// Policies used to read input.parameters[<own id>].<name>.
func TestAUsersPolicyMayReadParametersUnderItsIDForNow(t *testing.T) {
	for name, body := range map[string]string{
		"name":     `deny contains {"msg": input.parameters["my-own"].word, "path": "p"}`,
		"whole":    "own := input.parameters[\"my-own\"]\n\ndeny contains {\"msg\": own.word, \"path\": \"p\"}",
		"import":   "import input.parameters as own\n\ndeny contains {\"msg\": own[\"my-own\"].word, \"path\": \"p\"}",
		"variable": "deny contains {\"msg\": own[\"my-own\"].word, \"path\": \"p\"} if {\n\town := input.parameters\n}",
		"id":       "id := \"my-own\"\n\ndeny contains {\"msg\": input.parameters[id].word, \"path\": \"p\"}",
		"call":     `deny contains {"msg": object.get(input, ["parameters", "my-own", "word"], ""), "path": "p"}`,
		"both":     `deny contains {"msg": input.parameters["my-own"].words[input.parameters.word], "path": "p"}`,
		"with":     "deny contains {\"msg\": word, \"path\": \"p\"} if {\n\tword := inner with input.parameters[\"my-own\"].word as \"one\"\n}\n\ninner := input.parameters[\"my-own\"].word",
	} {
		t.Run(name, func(t *testing.T) {
			message, deprecations := userMessage(t, "my-own", userParameters, body, parametersOf("one"))
			if message != "one" && message != "one-inner" {
				t.Errorf("got %q", message)
			}
			if len(deprecations) != 1 || !strings.Contains(deprecations[0], `input.parameters["my-own"].<name>`) {
				t.Errorf("got %v", deprecations)
			}
		})
	}
}

// A Policy may have read its parameters without naming its id, by walking over all ids.
func TestAUsersPolicyMayWalkOverIDsForNow(t *testing.T) {
	plain, _, _ := strings.Cut(userParameters, "#       words:")
	for name, test := range map[string]struct {
		declared, body, want string
		deprecated           bool
	}{
		"any id":                        {plain, `deny contains {"msg": input.parameters[_].word, "path": "p"}`, "one", true},
		"a variable":                    {plain, "deny contains {\"msg\": word, \"path\": \"p\"} if {\n\tsome id\n\tword := input.parameters[id].word\n}", "one", true},
		"a walk over the parameters":    {plain, `deny contains {"msg": input.parameters[_], "path": "p"}`, "one", false},
		"a member that is no parameter": {plain, `deny contains {"msg": input.parameters[_].other, "path": "p"}`, "", false},
		"members of a parameter":        {userParameters, `deny contains {"msg": input.parameters[_].one, "path": "p"}`, "one-inner", false},
		"a member named like one":       {userParameters, `deny contains {"msg": input.parameters[_].word, "path": "p"}`, "", false},
	} {
		parameters := map[string]any{"word": "one"}
		if test.declared == userParameters {
			parameters = parametersOf("one")
		}
		message, deprecations := userMessage(t, "my-own", test.declared, test.body, parameters)
		if message != test.want || len(deprecations) > 0 != test.deprecated {
			t.Errorf("%s: got %q, %v", name, message, deprecations)
		}
	}
}

// A parameter may have the name of the Policy.
func TestAParameterNamedLikeItsPolicy(t *testing.T) {
	declared := strings.Replace(userParameters, "word:", "limit:", 1)
	for name, test := range map[string]struct {
		body       string
		deprecated bool
	}{
		"now":    {`deny contains {"msg": input.parameters.limit, "path": "p"}`, false},
		"before": {`deny contains {"msg": input.parameters.limit.limit, "path": "p"}`, true},
	} {
		message, deprecations := userMessage(t, "limit", declared, test.body, map[string]any{"limit": "one"})
		if message != "one" || len(deprecations) > 0 != test.deprecated {
			t.Errorf("%s: got %q, %v", name, message, deprecations)
		}
	}
}
