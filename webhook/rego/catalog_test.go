package rego_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/rego"
)

const metadata = `# METADATA
# title: A title
# description: A description.
# custom:
#   id: some-policy
#   severity: low
#   section: "1.1"
#   kinds: [ConfigMap]
#   default_mode: warn
#   remediation: Write something else.
`

const policyFile = "topic/some_policy/some_policy.rego"

func library(source string) fstest.MapFS {
	return fstest.MapFS{policyFile: &fstest.MapFile{Data: []byte(source)}}
}

const rules = `package taffrail.topic.some_policy

deny contains {"msg": "no", "path": "data"} if input.object.data.bad
`

func TestLoadReadsTheLibrary(t *testing.T) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"image-tag", "require-probes", "require-prestop", "require-resources",
		"inject-resources", "restricted-service-type", "plaintext-secret"} {
		if _, ok := catalog.Policy(id); !ok {
			t.Errorf("the library has no %s", id)
		}
	}
}

func TestLoadRefusesMetadata(t *testing.T) {
	for name, test := range map[string]struct{ source, want string }{
		"missing block":     {rules, "METADATA block: is missing above the package"},
		"missing field":     {strings.Replace(metadata, "#   severity: low\n", "", 1) + rules, "METADATA custom.severity: is missing"},
		"unknown field":     {strings.Replace(metadata, "#   severity", "#   color: red\n#   severity", 1) + rules, "METADATA custom.color: is unknown: use id, severity, section, kinds,"},
		"unknown severity":  {strings.Replace(metadata, "low", "dire", 1) + rules, `METADATA custom.severity: "dire" is not one of`},
		"unknown mode":      {strings.Replace(metadata, "default_mode: warn", "default_mode: shout", 1) + rules, `unknown mode "shout"`},
		"unknown fact":      {metadata + "#   facts: [moonPhase]\n" + rules, `METADATA custom.facts: "moonPhase" is not one of`},
		"unknown guardrail": {metadata + "#   default_guardrail: other\n" + rules, `METADATA custom.default_guardrail: "other" is not one of [chapter restricted]`},
		"a number":          {strings.Replace(metadata, `"1.1"`, "3.9", 1) + rules, "METADATA custom.section: must be a string: quote it"},
		"a list for text":   {strings.Replace(metadata, `"1.1"`, "[1]", 1) + rules, "METADATA custom.section: must be a string"},
		"text for a list":   {strings.Replace(metadata, "[ConfigMap]", "ConfigMap", 1) + rules, "METADATA custom.kinds: must be a list"},
		"no kinds":          {strings.Replace(metadata, "[ConfigMap]", "[]", 1) + rules, "METADATA custom.kinds: is missing"},
		"a number as kind":  {strings.Replace(metadata, "[ConfigMap]", "[Pod, 1]", 1) + rules, "METADATA custom.kinds[1]: must be a string: quote it"},
		"mistyped kind":     {strings.Replace(metadata, "ConfigMap", "Deploymnet.apps", 1) + rules, `METADATA custom.kinds: "Deploymnet.apps": the apps group has no such kind, only [ControllerRevision`},
		"mistyped core":     {strings.Replace(metadata, "ConfigMap", "pod", 1) + rules, `METADATA custom.kinds: "pod": the core group has no such kind, only [Binding`},
		"group left out":    {strings.Replace(metadata, "ConfigMap", "Deployment", 1) + rules, `METADATA custom.kinds: "Deployment": write Deployment.apps`},
		"a version":         {strings.Replace(metadata, "ConfigMap", "Deployment.apps/v1", 1) + rules, `METADATA custom.kinds: "Deployment.apps/v1": write Kind`},
		"parameters a list": {metadata + "#   parameters: []\n" + rules, "METADATA custom.parameters: must be a map"},
		"id of another":     {strings.Replace(metadata, "some-policy", "other-policy", 1) + rules, "but must be some-policy in its folder"},
		"package not path":  {metadata + strings.Replace(rules, "topic", "elsewhere", 1), "but must be taffrail.topic.some_policy in its folder"},
		"no rule":           {metadata + "package taffrail.topic.some_policy\n\nx := 1\n", "defines neither deny nor inject"},
		"deny not a set":    {metadata + "package taffrail.topic.some_policy\n\ndeny := true\n", "deny must be a set"},
		"parameter default": {metadata + "#   parameters: {type: object, properties: {n: {type: integer, description: A number.}}}\n" + rules, "needs a type, a description and a default"},
		"default refused":   {metadata + "#   parameters: {type: object, properties: {n: {type: integer, description: A number., default: x}}}\n" + rules, "the default is refused by the schema"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rego.Load(library(test.source))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestMetadataErrorsComeTogetherInOrder(t *testing.T) {
	_, err := rego.Load(library("# METADATA\n# custom:\n#   severity: 1\n#   color: red\n" + rules))
	var fields []string
	for _, err := range rego.Errors(err) {
		bad := new(rego.MetadataError)
		if !errors.As(err, &bad) {
			t.Errorf("got %#v", err)
		}
		fields = append(fields, bad.Field)
	}
	want := []string{
		"title", "description", "custom.id", "custom.severity", "custom.section", "custom.kinds", "custom.default_mode",
		"custom.remediation", "custom.color",
	}
	if !slices.Equal(fields, want) {
		t.Errorf("got %q, want %q", fields, want)
	}
}

func TestMetadataTakesOtherGroupsAsTheyAre(t *testing.T) {
	source := strings.Replace(metadata, "ConfigMap", "Rollout.argoproj.io, Ingress.networking.k8s.io, Job.batch", 1)
	catalog, err := rego.Load(library(source + "#   default_guardrail: restricted\n" + rules))
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := catalog.Policy("some-policy"); len(p.Kinds) != 3 || p.DefaultGuardrail != rego.GuardrailRestricted {
		t.Errorf("got %v, %v", p.Kinds, p.DefaultGuardrail)
	}
}

func TestMetadataErrorNamesThePlace(t *testing.T) {
	_, err := rego.Load(library(strings.Replace(metadata, "low", "dire", 1) + rules))
	var bad *rego.MetadataError
	if !errors.As(err, &bad) || bad.File != policyFile || bad.Row != 1 || bad.Field != "custom.severity" {
		t.Errorf("got %#v", err)
	}
}

func TestPoliciesReachNoOutside(t *testing.T) {
	for _, call := range []string{
		`http.send({"method": "GET", "url": "http://127.0.0.1"})`, `opa.runtime()`, `time.now_ns()`, `rand.intn("x", 9)`,
		`net.lookup_ip_addr("localhost")`, `uuid.rfc4122("x")`, `walk(input.object)`, `rego.parse_module("x", "y")`, `trace("x")`,
	} {
		source := metadata + rules + "\nleak contains x if x := " + call + "\n"
		if _, err := rego.Load(library(source)); err == nil || !strings.Contains(err.Error(), "undefined function") {
			t.Errorf("%s: got %v, want an undefined function", call, err)
		}
	}
}

func TestCheckParameters(t *testing.T) {
	source := metadata + `#   parameters:
#     type: object
#     properties:
#       types: {type: array, items: {type: string, enum: [a, b]}, default: [a], description: Types.}
#       most: {type: integer, minimum: 1, default: 3, description: A bound.}
#       size: {type: string, format: quantity, default: 100m, description: A quantity.}
#       nested: {type: object, default: {}, description: Nested., properties: {x: {type: string, default: deep}}}
` + rules
	catalog, err := rego.Load(library(source))
	if err != nil {
		t.Fatal(err)
	}
	policy, _ := catalog.Policy("some-policy")
	at := field.NewPath("spec", "policies").Index(0).Child("parameters")
	whole, bad := policy.CheckParameters(map[string]any{"types": []any{"b"}, "nested": map[string]any{}}, at)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	if whole["nested"].(map[string]any)["x"] != "deep" || whole["size"] != "100m" || whole["types"].([]any)[0] != "b" {
		t.Errorf("got %v", whole)
	}
	for name, test := range map[string]struct {
		given map[string]any
		want  string
	}{
		"unknown":  {map[string]any{"tpyes": []any{}}, `spec.policies[0].parameters.tpyes: Unsupported value: "tpyes"`},
		"type":     {map[string]any{"most": "two"}, "spec.policies[0].parameters.most"},
		"minimum":  {map[string]any{"most": int64(0)}, "spec.policies[0].parameters.most"},
		"enum":     {map[string]any{"types": []any{"c"}}, "spec.policies[0].parameters.types"},
		"quantity": {map[string]any{"size": "100q"}, "spec.policies[0].parameters.size"},
		"nothing":  {map[string]any{"size": "0"}, "spec.policies[0].parameters.size"},
		"negative": {map[string]any{"size": "-5"}, "spec.policies[0].parameters.size"},
	} {
		_, bad := policy.CheckParameters(test.given, at)
		if len(bad) != 1 || !strings.HasPrefix(bad[0].Error(), test.want) {
			t.Errorf("%s: got %v, want %s…", name, bad, test.want)
		} else {
			t.Log(bad[0])
		}
	}
}

// A policy validates or mutates if any of its rules does, in any order.
func TestWhatAPolicyDoes(t *testing.T) {
	const deny = "deny contains {\"msg\": \"no\", \"path\": \"data\"} if input.object.data.bad\n\n"
	const inject = "inject contains {\"container\": \"c\", \"field\": \"resources.limits.cpu\", \"value\": \"1\"} if input.object.data.bad\n\n"
	const helper = "helper if input.object.data.x\n\n"
	for body, want := range map[string][2]bool{
		deny: {true, false}, inject: {false, true}, deny + inject: {true, true}, inject + deny: {true, true}, deny + helper: {true, false}, inject + helper: {false, true},
		deny + deny + inject + helper: {true, true},
	} {
		catalog, err := rego.Load(library(metadata + "package taffrail.topic.some_policy\n\n" + body))
		if err != nil {
			t.Fatal(err)
		}
		if policy, _ := catalog.Policy("some-policy"); policy.Validates != want[0] || policy.Mutates != want[1] {
			t.Errorf("%s: validates %v, mutates %v", body, policy.Validates, policy.Mutates)
		}
	}
}
