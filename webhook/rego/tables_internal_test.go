package rego

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

func TestKindsOfKubernetesAreKnown(t *testing.T) {
	for text := range strings.FieldsSeq(`
		Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota
		Secret Service ServiceAccount ControllerRevision.apps DaemonSet.apps Deployment.apps ReplicaSet.apps StatefulSet.apps CronJob.batch Job.batch
		Ingress.networking.k8s.io Rollout.argoproj.io A.b`) {
		if reason := noKind(schema.ParseGroupKind(text)); reason != "" {
			t.Errorf("%s: %s", text, reason)
		}
	}
	for text, want := range map[string]string{
		"Deployment": "write Deployment.apps", "Job": "write Job.batch", "Pod.apps": "write Pod", "Job.apps": "write Job.batch", "ConfigMap.batch": "write ConfigMap",
		"pod":               "the core group has no such kind, only [Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount]",
		"Deploy.apps":       "the apps group has no such kind, only [ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet]",
		"Cron.batch":        "the batch group has no such kind, only [CronJob Job]",
		"Thing.example/com": "write Kind, or Kind.group outside the core group, without a version",
		"7.example.com":     "write Kind, or Kind.group outside the core group, without a version",
	} {
		if got := noKind(schema.ParseGroupKind(text)); got != want {
			t.Errorf("%s: got %q", text, got)
		}
	}
}

func TestSchemasOfParametersAreRefused(t *testing.T) {
	schema := func(property any) map[string]any {
		return map[string]any{"type": "object", "properties": map[string]any{"n": property}}
	}
	const incomplete = "properties.n needs a type, a description and a default"
	for _, c := range []struct {
		declared map[string]any
		want     string
	}{
		{map[string]any{"type": "object", "required": []any{"a"}}, `"required" is not supported: use type: object and properties`},
		{map[string]any{"properties": map[string]any{}}, "type must be object"},
		{schema("integer"), "properties.n must be a schema"},
		{schema(map[string]any{"type": "integer", "description": "d"}), incomplete},
		{schema(map[string]any{"type": "integer", "default": 1}), incomplete},
		{schema(map[string]any{"description": "d", "default": 1}), incomplete},
		{schema(map[string]any{"type": "integer", "description": "d", "default": 1, "minimum": "x"}), "properties.n.minimum does not have a value that JSON Schema allows"},
		{schema(map[string]any{"type": "integer", "description": "d", "default": "x"}), "the default is refused by the schema: properties.n"},
	} {
		if _, err := newParameterSchema(c.declared); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	for name, declared := range map[string]map[string]any{"none": nil, "no properties": {"type": "object"}, "one": schema(map[string]any{"type": "integer", "description": "d", "default": 1})} {
		if s, err := newParameterSchema(declared); err != nil || len(s.names()) != map[string]int{"one": 1}[name] {
			t.Errorf("%s: got %+v, %v", name, s, err)
		}
	}
}

// Parameters have JSON's types, regardless of how they were written.
func TestNumbersOfParameters(t *testing.T) {
	given := map[string]any{
		"int": 7, "int64": int64(8), "float": 0.5, "text": "x", "null": nil, "yes": true,
		"list": []any{1, json.Number("2"), json.Number("2.5"), map[string]any{"deep": 3}}, "map": map[string]any{"n": json.Number("9007199254740993")},
	}
	want := map[string]any{
		"int": int64(7), "int64": int64(8), "float": 0.5, "text": "x", "null": nil, "yes": true,
		"list": []any{int64(1), int64(2), 2.5, map[string]any{"deep": int64(3)}}, "map": map[string]any{"n": int64(9007199254740993)},
	}
	if got := fmt.Sprintf("%#v", jsonNumbers(given)); got != fmt.Sprintf("%#v", any(want)) {
		t.Errorf("got %s", got)
	}
}

// Texts of users' Policies are cut between characters, and long keys that differ remain different.
func TestTextsOfUsersPoliciesAreCut(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("a", 1024): strings.Repeat("a", 1024), strings.Repeat("a", 1025): strings.Repeat("a", 1024) + "…",
		strings.Repeat("a", 1023) + "é": strings.Repeat("a", 1023) + "…", strings.Repeat("a", 1022) + "é": strings.Repeat("a", 1022) + "é",
		strings.Repeat("a", 1022) + "€": strings.Repeat("a", 1022) + "…", "": "",
	} {
		if got := cut(text); got != want {
			t.Errorf("%.8q… of %d bytes: got %d bytes, %q", text, len(text), len(got), got[max(0, len(got)-8):])
		}
	}
	long := strings.Repeat("k", 1025)
	violations := []decision.Violation{
		{Key: long, Message: long, Path: long, Container: long, Unknown: long}, {Key: long[:1024], Message: "m", Path: "p"}, {Key: long + "x"},
	}
	shorten(violations)
	cutTo := long[:1024] + "…"
	if v := violations[0]; v.Message != cutTo || v.Path != cutTo || v.Container != cutTo || v.Unknown != cutTo || !strings.HasPrefix(v.Key, cutTo) || len(v.Key) != len(cutTo)+64 {
		t.Errorf("got %+v", v)
	}
	if v := violations[1]; v.Key != long[:1024] || v.Message != "m" || v.Path != "p" {
		t.Errorf("got %+v", v)
	}
	if violations[0].Key == violations[2].Key {
		t.Error("two keys that differ at their ends are one")
	}
	if got := (&restError{most: 100, rests: []*rest{{left: 3}, {left: 4}}}).Error(); got != "there are 7 more than the 100 that are allowed" {
		t.Errorf("got %s", got)
	}
}

// Values of a Secret and of kubectl's copy of it are removed from what users' Policies report: encoded and
// decoded, longest first, but not if they are so short that they could be ordinary words.
func TestValuesOfASecretAreTakenOut(t *testing.T) {
	r := &decision.Request{
		Kind:           schema.GroupVersionKind{Version: "v1", Kind: "Secret"},
		Object:         map[string]any{"data": map[string]any{"a": "aHVudGVyMg==", "b": "not base64!", "c": "YWJj", "d": 7}},
		OldObject:      map[string]any{"data": map[string]any{"a": "c3dvcmRmaXNo"}},
		LastApplied:    &decision.LastApplied{Data: map[string]string{"a": "YXBwbGllZA=="}, StringData: map[string]string{"b": "plain text", "c": "abc"}},
		OldLastApplied: &decision.LastApplied{Data: map[string]string{"a": "b2xkLWFwcGxpZWQ="}, StringData: map[string]string{"b": "plain text that is longer"}},
	}
	texts := map[string]string{
		"hunter2": "***", "aHVudGVyMg==": "***", "not base64!": "***", "abc": "abc", "YWJj": "***", "swordfish": "***", "c3dvcmRmaXNo": "***", "applied": "***",
		"YXBwbGllZA==": "***", "plain text": "***", "old-applied": "***", "b2xkLWFwcGxpZWQ=": "***", "plain text that is longer": "***", "a hunter2 b": "a *** b", "": "", "a": "a",
	}
	for text, want := range texts {
		if got := (&redactor{request: r, user: true}).text(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if got := (&redactor{request: r}).text(text); got != text {
			t.Errorf("%q of the library: got %q", text, got)
		}
		for _, kind := range []schema.GroupVersionKind{{Version: "v1", Kind: "ConfigMap"}, {Group: "example.com", Version: "v1", Kind: "Secret"}} {
			other := *r
			other.Kind = kind
			if got := (&redactor{request: &other, user: true}).text(text); got != text {
				t.Errorf("%q of %s: got %q", text, kind, got)
			}
		}
	}
	v := decision.Violation{Message: "hunter2", Path: "hunter2", Unknown: "hunter2", Key: "hunter2", Container: "hunter2"}
	(&redactor{request: r, user: true}).violation(&v)
	if v.Message != "***" || v.Path != "***" || v.Unknown != "***" || v.Key != "***" || v.Container != "hunter2" || v.Digest == [32]byte{} {
		t.Errorf("got %+v", v)
	}
	plain := decision.Violation{Key: "k"}
	if (&redactor{request: r, user: true}).violation(&plain); plain.Digest != [32]byte{} || plain.Key != "k" {
		t.Errorf("got %+v", plain)
	}
}

// A credential that contains a space is recognized in a value, a name or an element that consists of it.
func TestCredentialsWithBlanksAreFoundAnywhere(t *testing.T) {
	const odd = `user:hunter 2"x@host/y`
	for name, object := range map[string]map[string]any{
		"a value": {"a": map[string]any{"b": odd}}, "a name": {"a": map[string]any{odd: "b"}}, "an element": {"a": []any{"x", []any{odd}}, "z": "z"},
	} {
		for what, r := range map[string]*decision.Request{"new": {Object: object}, "old": {OldObject: object}} {
			if got := (&redactor{request: r}).text("see " + odd + " there"); strings.Contains(got, "hunter") {
				t.Errorf("%s, %s: got %s", name, what, got)
			}
		}
	}
}

func TestACompilationNamesWhatIsWrong(t *testing.T) {
	program, r := userProgram(t, tooLarge)
	if results, err := program.Evaluate(t.Context(), r, nil, Both); err != nil || len(results) != 0 {
		t.Errorf("got %v, %v", results, err)
	}
	r.Kind.Kind = "Secret"
	if results, err := program.Evaluate(t.Context(), r, []int{0}, Both); err != nil || results[0].Err != nil {
		t.Errorf("a kind that nothing is about: got %v, %v", results, err)
	}
	catalog := &Catalog{policies: map[string]*Policy{}, modules: map[string]*ast.Module{}}
	catalog.share()
	if _, err := Compile(catalog, []Instance{{Policy: "gone"}}); err == nil || err.Error() != `there is no policy "gone"` {
		t.Errorf("got %v", err)
	}
}

// A Policy that fails in one part fails as a whole: its other part injects nothing.
func TestAPolicyThatFailsInOnePartHasFailed(t *testing.T) {
	const inject = `inject contains {"container": "c", "field": "resources.limits.cpu", "value": "1"} if `
	const deny = `deny contains {"msg": "m", "path": "p"} if `
	const fails, holds = "count(numbers.range(1, 1000000000)) == 7", "input.name"
	for name, c := range map[string]struct {
		rules                string
		part                 Part
		fails                bool
		violations, intended int
	}{
		"both":              {deny + holds + "\n\n" + inject + holds, Both, false, 1, 1},
		"only deny":         {deny + holds + "\n\n" + inject + fails, Deny, false, 1, 0},
		"only inject":       {deny + fails + "\n\n" + inject + holds, Inject, false, 0, 1},
		"deny fails":        {deny + fails + "\n\n" + inject + holds, Both, true, 0, 0},
		"inject fails":      {deny + holds + "\n\n" + inject + fails, Both, true, 0, 0},
		"deny fails alone":  {deny + fails, Deny, true, 0, 0},
		"nothing to inject": {deny + holds, Inject, false, 0, 0},
	} {
		program, r := userProgram(t, c.rules)
		results, err := program.Evaluate(t.Context(), r, []int{0}, c.part)
		if err != nil || (results[0].Err != nil) != c.fails || len(results[0].Violations) != c.violations || len(results[0].Intents) != c.intended {
			t.Errorf("%s: got %+v, %v", name, results, err)
		}
	}
}

// Only returns one policy with what it needs.
func TestOnlyOnePolicy(t *testing.T) {
	library, err := Load(os.DirFS("../../policies"))
	if err != nil {
		t.Fatal(err)
	}
	more, bad := library.With(map[string]string{"own": "# METADATA\n# title: t\n# description: d\n# custom:\n#   id: own\n#   severity: low\n#   kinds: [ConfigMap]\n#   remediation: r\npackage taffrail.user.own\n\n" + tooLarge + "\n"})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	for id, want := range map[string]int{"image-tag": 1, "own": 1, "gone": 0} {
		only := more.Only(id)
		if policies := only.Policies(); len(policies) != want || want == 1 && policies[0].ID != id {
			t.Errorf("%s: got %v", id, policies)
		}
		if want == 0 {
			continue
		}
		policy, _ := only.Policy(id)
		parameters, errs := policy.CheckParameters(nil, nil)
		if _, err := Compile(only, []Instance{{Policy: id, Parameters: parameters}}); err != nil || len(errs) > 0 {
			t.Errorf("%s: %v, %v", id, errs, err)
		}
	}
	if name, err := PackageOf("p.rego", "package taffrail.user.own"); name != "taffrail.user.own" || err != nil {
		t.Errorf("got %s, %v", name, err)
	}
	if name, err := PackageOf("p.rego", "packag"); name != "" || err == nil {
		t.Errorf("got %s, %v", name, err)
	}
}
