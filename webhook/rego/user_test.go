package rego_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

const helperFile = "lib/words/words.rego"

// userLibrary has one policy and one helper.
func userLibrary(t *testing.T) *rego.Catalog {
	t.Helper()
	files := library(metadata + rules)
	files[helperFile] = &fstest.MapFile{Data: []byte(`package taffrail.lib.words

bad(text) if text == "bad"

all := {"bad": "worse"}
`)}
	catalog, err := rego.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

// user is the source of a user's policy with the given rules; the package is line 9.
func user(name, body string) string {
	return "# METADATA\n# title: A title\n# description: A description.\n# custom:\n#   id: " + name +
		"\n#   severity: low\n#   kinds: [ConfigMap]\n#   remediation: Write something else.\npackage " + rego.UserPackage(name) + "\n\n" + body + "\n"
}

func TestUserPoliciesAreTakenOneByOne(t *testing.T) {
	catalog := userLibrary(t)
	more, bad := catalog.With(map[string]string{"my-own": user("my-own", always), "broken": "package", "other": user("other", always)})
	if len(bad) != 1 || bad["broken"] == nil {
		t.Errorf("got %v", bad)
	}
	for _, name := range []string{"my-own", "other", "some-policy"} {
		if policy, ok := more.Policy(name); !ok || policy.User != (name != "some-policy") {
			t.Errorf("%s: %+v", name, policy)
		}
	}
	if _, ok := catalog.Policy("my-own"); ok {
		t.Error("With changed the catalog it was called on")
	}
	policy, _ := more.Policy("my-own")
	if policy.DefaultMode != decision.ModeWarn || policy.DefaultGuardrail != "" || policy.Section != "" || !policy.Validates {
		t.Errorf("got %+v", policy)
	}
}

// Every fault in a user's policy is reported with its location.
func TestUnsoundUserPoliciesAreRefused(t *testing.T) {
	catalog := userLibrary(t)
	deny := `deny contains {"msg": "m", "path": "p"}`
	for name, test := range map[string]struct {
		policy, source string
		want           string // without Policy/<name>
	}{
		"empty":              {"p", "", ": rego_parse_error: empty module"},
		"only a comment":     {"p", "# nothing\n", ": rego_parse_error: empty module"},
		"syntax":             {"p", user("p", "deny contains {"), ":12: rego_parse_error: "},
		"undefined":          {"p", user("p", deny+" if nope(1)"), ":11: rego_type_error: undefined function nope"},
		"unsafe":             {"p", user("p", deny+" if x > 1"), ":11: rego_unsafe_var_error: var x is unsafe"},
		"types":              {"p", user("p", deny+" if lower(1) == 2"), ":11: rego_type_error: lower: invalid argument(s)"},
		"recursion":          {"p", user("p", deny+" if x\n\nx if y\n\ny if x"), "rego_recursion_error: "},
		"not allowed":        {"p", user("p", deny+` if http.send({"url": "x"})`), ":11: rego_type_error: undefined function http.send"},
		"clock":              {"p", user("p", deny+` if time.now_ns() > 1`), ":11: rego_type_error: undefined function time.now_ns"},
		"environment":        {"p", user("p", deny+` if opa.runtime().env.X`), ":11: rego_type_error: undefined function opa.runtime"},
		"metadata missing":   {"p", "package taffrail.user.p\n\n" + deny, ": METADATA block: is missing above the package"},
		"metadata unknown":   {"p", strings.Replace(user("p", deny), "#   severity", "#   color: red\n#   severity", 1), ":1: METADATA custom.color: is unknown"},
		"unknown fact":       {"p", strings.Replace(user("p", deny), "#   severity", "#   facts: [moon]\n#   severity", 1), `:1: METADATA custom.facts: "moon" is not one of`},
		"default guardrail":  {"p", strings.Replace(user("p", deny), "#   severity", "#   default_guardrail: chapter\n#   severity", 1), ":1: METADATA custom.default_guardrail: is for the library"},
		"id of another name": {"p", strings.Replace(user("p", deny), "id: p", "id: q", 1), ": METADATA custom.id: is q, but the Policy is named p"},
		"id of the library":  {"some-policy", user("some-policy", deny), ": METADATA custom.id: some-policy is already the id of another policy"},
		"neither":            {"p", user("p", "x := 1"), ": policy_rule_error: defines neither deny nor inject"},
		"deny is no set":     {"p", user("p", "deny := true"), ":11: policy_rule_error: deny must be a set"},
		"negation":           {"p", user("p", deny+" if not input.x"), ":11: policy_negation_error: "},
		"too long":           {"p", user("p", deny+"\n"+strings.Repeat("# x\n", 20_000)), ": policy_size_error: is 8"},
		"name with a dot":    {"a.b", user("p", deny), ": policy_name_error: "},
		"name with a bar":    {"a_b", user("p", deny), ": policy_name_error: "},
		"capital name":       {"Abc", user("p", deny), ": policy_name_error: "},
		"name of a digit":    {"3p", user("p", deny), ": policy_name_error: "},
		"package of ours":    {"p", strings.Replace(user("p", deny), "taffrail.user.p", "taffrail.topic.some_policy", 1), ":9: policy_package_error: the package is taffrail.topic.some_policy"},
		"helper of ours":     {"p", strings.Replace(user("p", deny), "taffrail.user.p", "taffrail.lib.words", 1), ":9: policy_package_error: "},
		"entry":              {"p", strings.Replace(user("p", deny), "taffrail.user.p", "taffrail.entry.k0", 1), ":9: policy_package_error: "},
		"root of users":      {"p", strings.Replace(user("p", deny), "taffrail.user.p", "taffrail.user", 1), ":9: policy_package_error: "},
		"deeper":             {"p", strings.Replace(user("p", deny), "taffrail.user.p", "taffrail.user.p.q", 1), ":9: policy_package_error: "},
		"other package":      {"p", strings.Replace(user("p", deny), "taffrail.user.p", "taffrail.user.q", 1), ":9: policy_package_error: "},
		"system":             {"p", strings.Replace(user("p", deny), "taffrail.user.p", "system.main", 1), ":9: policy_package_error: "},
		"all of data":        {"p", user("p", deny+" if count(data) > 1"), ":11: policy_reference_error: refers to data: "},
		"data as a value":    {"p", user("p", "x := [data]\n\n"+deny), ":11: policy_reference_error: refers to data: "},
		"data by a variable": {"p", user("p", deny+" if data[input.name]"), ":11: policy_reference_error: refers to data[input.name]: "},
		"ours by a variable": {"p", user("p", deny+` if data.taffrail[input.name]`), ":11: policy_reference_error: refers to data.taffrail[input.name]: "},
		"users by variable":  {"p", user("p", deny+` if data.taffrail.user[input.name].deny`), ":11: policy_reference_error: "},
		"lib by a variable":  {"p", user("p", deny+` if data.taffrail.lib[input.name].all`), ":11: policy_reference_error: "},
		"an import":          {"p", user("p", "import data.taffrail.topic.some_policy\n\n"+deny+" if some_policy.deny"), ":13: policy_reference_error: refers to data.taffrail.topic.some_policy.deny: "},
		"import of data":     {"p", user("p", "import data as d\n\n"+deny+" if d.taffrail.user.q.deny"), ":13: policy_reference_error: "},
		"another's":          {"p", user("p", deny+" if data.taffrail.user.q.deny"), ":11: policy_reference_error: "},
		"the generated":      {"p", user("p", deny+" if data.taffrail.entry.k0.deny"), ":11: policy_reference_error: "},
		"with":               {"p", user("p", deny+" if input.x with data.taffrail.user.q as 1"), ":11: policy_reference_error: "},
		"with all":           {"p", user("p", deny+" if input.x with data as {}"), ":11: policy_reference_error: "},
		"with a builtin":     {"p", user("p", "f(x) := x\n\n"+deny+" if lower(input.x) with lower as f"), ":13: policy_reference_error: replaces lower: only parts of input"},
		"in a comprehension": {"p", user("p", deny+" if count({x | some x in data.other}) > 1"), ":11: policy_reference_error: "},
		"in a head":          {"p", user("p", `deny contains {"msg": data.other, "path": "p"}`), ":11: policy_reference_error: "},
		"key of a head":      {"p", user("p", "x[data.other].y := 1\n\n"+deny+" if x"), ":11: policy_reference_error: refers to data.other: "},
		"in an else":         {"p", user("p", "f(x) := 1 if x else := data.other\n\n"+deny+" if f(1)"), ":11: policy_reference_error: "},
		"helper is not one":  {"p", user("p", deny+` if data.taffrail.lib.words.god("x")`), ":11: policy_reference_error: refers to data.taffrail.lib.words.god, which"},
		"no such helpers":    {"p", user("p", deny+` if data.taffrail.lib.wrods.all`), ":11: policy_reference_error: refers to data.taffrail.lib.wrods.all, which"},
		"data covered":       {"p", user("p", deny+` if data := 1`), ":11: policy_reference_error: refers to data: "},
	} {
		t.Run(name, func(t *testing.T) {
			more, bad := catalog.With(map[string]string{test.policy: test.source, "sound": user("sound", always)})
			err := bad[test.policy]
			if err == nil || len(bad) != 1 || !strings.Contains(err.Error(), "Policy/"+test.policy+test.want) && (test.want[0] == ':' || !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("got %v, want %q", bad, test.want)
			}
			if _, ok := more.Policy("sound"); !ok {
				t.Error("a sound one was left out")
			}
			for _, err := range rego.Errors(err) {
				source, data := new(rego.SourceError), new(rego.MetadataError)
				if !errors.As(err, &source) && !errors.As(err, &data) {
					t.Errorf("the error is a %T: %v", err, err)
				}
			}
		})
	}
}

func TestEveryFaultOfAUserPolicyIsTold(t *testing.T) {
	body := `deny contains {"msg": "m", "path": "p"} if data.a

deny contains {"msg": "m", "path": "p"} if not data.b`
	_, bad := userLibrary(t).With(map[string]string{"p": strings.Replace(user("p", body), "low", "dire", 1)})
	err := fmt.Sprint(bad["p"])
	for _, want := range []string{":1: METADATA custom.severity", ":11: policy_reference_error: refers to data.a", ":13: policy_reference_error: refers to data.b", ":13: policy_negation_error"} {
		if !strings.Contains(err, "Policy/p"+want) {
			t.Errorf("%s is missing in:\n%s", want, err)
		}
	}
}

func TestUserPoliciesMayUse(t *testing.T) {
	for name, body := range map[string]string{
		"helpers":            "import data.taffrail.lib.words\n\ndeny contains {\"msg\": words.all.bad, \"path\": \"p\"} if words.bad(\"bad\")",
		"their own package":  `x.y := 1` + "\n\n" + `deny contains {"msg": "m", "path": "p"} if data.taffrail.user.p.x[input.name]`,
		"parts of input":     `deny contains {"msg": "m", "path": "p"} if input.x with input.x as 1`,
		"a word for package": always,
	} {
		policy := "p"
		if name == "a word for package" {
			policy = "contains"
		}
		if _, bad := userLibrary(t).With(map[string]string{policy: user(policy, body)}); len(bad) > 0 {
			t.Errorf("%s: %v", name, bad)
		}
	}
}

// OPA's type checker would never finish with this one, and nothing could stop it.
func TestValuesInOneAnotherAreRefusedBeforeTheyAreTyped(t *testing.T) {
	for name, lines := range map[string]func(i int) string{
		"rules":  func(i int) string { return fmt.Sprintf("a%d := [a%d, a%d]\n", i, i-1, i-1) },
		"locals": func(i int) string { return fmt.Sprintf("\ta%d := {\"x\": a%d, \"y\": a%d}\n", i, i-1, i-1) },
		// The name may be on either side.
		"unified": func(i int) string { return fmt.Sprintf("\t[a%d, a%d] = a%d\n", i-1, i-1, i) },
		// A comprehension has a body of its own.
		"comprehension": func(i int) string { return fmt.Sprintf("\ta%d := [a%d, a%d]\n", i, i-1, i-1) },
	} {
		var body strings.Builder
		switch name {
		case "locals", "unified":
			body.WriteString("deny contains {\"msg\": \"m\", \"path\": \"p\"} if {\n\ta0 := [1]\n")
		case "comprehension":
			body.WriteString("deny contains {\"msg\": \"m\", \"path\": \"p\"} if count({1 |\n\ta0 := [1]\n")
		default:
			body.WriteString("a0 := [1]\n")
		}
		for i := range 40 {
			body.WriteString(lines(i + 1))
		}
		switch name {
		case "locals", "unified":
			body.WriteString("\ta40 == a39\n}")
		case "comprehension":
			body.WriteString("\ta40 == a39\n}) > 0")
		default:
			body.WriteString(`deny contains {"msg": "m", "path": "p"} if a40 == a39`)
		}
		_, bad := userLibrary(t).With(map[string]string{"p": user("p", body.String())})
		fault := new(rego.SourceError)
		if !errors.As(bad["p"], &fault) || fault.Code != rego.CodeSize {
			t.Errorf("%s: got %v", name, bad)
		}
	}
}

// The library's policies are typical policies, so each must also be accepted as a user's.
func TestPoliciesOfTheLibraryWouldDoAsUsers(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range catalog.Policies() {
		name := "my-" + policy.ID
		folder := strings.ReplaceAll(strings.TrimPrefix(policy.Package, "taffrail."), ".", "/")
		text, err := policies.FS.ReadFile(folder + folder[strings.LastIndexByte(folder, '/'):] + ".rego")
		if err != nil {
			t.Fatal(err)
		}
		source := strings.Replace(string(text), "package "+policy.Package, "package "+rego.UserPackage(name), 1)
		source = strings.Replace(source, "id: "+policy.ID, "id: "+name, 1)
		source = strings.Replace(source, "#   default_guardrail: restricted\n", "", 1)
		if _, bad := catalog.With(map[string]string{name: source}); len(bad) > 0 {
			t.Errorf("%s: %v", policy.ID, bad[name])
		}
	}
}
