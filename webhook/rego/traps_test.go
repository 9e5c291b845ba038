package rego_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// file returns a policy about ConfigMaps with the given rules.
func file(id, body string) (string, *fstest.MapFile) {
	name := strings.ReplaceAll(id, "-", "_")
	return "topic/" + name + "/" + name + ".rego", &fstest.MapFile{
		Data: []byte(strings.Replace(metadata, "some-policy", id, 1) + "package taffrail.topic." + name + "\n\n" + body + "\n"),
	}
}

func program(t *testing.T, bodies map[string]string, instances ...rego.Instance) *rego.Program {
	t.Helper()
	files := fstest.MapFS{}
	for id, body := range bodies {
		name, source := file(id, body)
		files[name] = source
	}
	catalog, err := rego.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	if instances == nil {
		for _, policy := range catalog.Policies() {
			instances = append(instances, rego.Instance{Policy: policy.ID, Parameters: map[string]any{}})
		}
	}
	p, err := rego.Compile(catalog, instances)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func configMap(data map[string]any) *decision.Request {
	return &decision.Request{
		Kind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Operation: decision.Create, Origin: decision.OriginManifest,
		Object: map[string]any{"data": data},
	}
}

const always = `deny contains {"msg": "always", "path": "data"}`

// A comprehension over the packages would be empty, without an error, because of the policy that defines no
// deny. The others must still report their findings.
func TestAPolicyWithoutDenyHidesNoOther(t *testing.T) {
	p := program(t, map[string]string{
		"a-mutator": `inject contains {"container": "c", "field": "resources.requests.cpu", "value": "1"}`,
		"b-denier":  always,
	})
	results, err := p.Evaluate(t.Context(), configMap(nil), []int{0, 1}, rego.Both)
	if err != nil {
		t.Fatal(err)
	}
	if len(results[0].Intents) != 1 || len(results[1].Violations) != 1 || results[0].Err != nil || results[1].Err != nil {
		t.Errorf("got %+v", results)
	}
}

func TestAConflictIsTheCulpritsAlone(t *testing.T) {
	p := program(t, map[string]string{
		"a-denier":   always,
		"b-conflict": "value := 1 if input.object.data.x\n\nvalue := 2 if input.object.data.x\n\ndeny contains {\"msg\": \"m\", \"path\": \"p\"} if value",
		"c-denier":   always,
	})
	results, err := p.Evaluate(t.Context(), configMap(map[string]any{"x": true}), []int{0, 1, 2}, rego.Deny)
	if err != nil {
		t.Fatal(err)
	}
	if len(results[0].Violations) != 1 || len(results[2].Violations) != 1 {
		t.Errorf("the conflict took others with it: %+v", results)
	}
	var failed *rego.EvaluationError
	if !errors.As(results[1].Err, &failed) || failed.Policy != "b-conflict" {
		t.Errorf("the culprit is not named: %v", results[1].Err)
	}
}

// OPA makes a failing built-in undefined, which a deny rule would take for a pass.
func TestAFailingBuiltinIsUnknownNotAPass(t *testing.T) {
	p := program(t, map[string]string{
		"a-number": `deny contains {"msg": "m", "path": "p"} if to_number(input.object.data.x) > 3`,
		"b-denier": always,
	})
	results, err := p.Evaluate(t.Context(), configMap(map[string]any{"x": "swordfish"}), []int{0, 1}, rego.Deny)
	if err != nil {
		t.Fatal(err)
	}
	var failed *rego.EvaluationError
	if !errors.As(results[0].Err, &failed) || failed.Policy != "a-number" {
		t.Fatalf("got %v", results[0].Err)
	}
	if strings.Contains(results[0].Err.Error(), "swordfish") {
		t.Errorf("the error quotes the object: %v", results[0].Err)
	}
	if results[1].Err != nil || len(results[1].Violations) != 1 {
		t.Errorf("the other policy was not decided: %+v", results[1])
	}
}

func TestOddFindingsAreErrors(t *testing.T) {
	for name, body := range map[string]string{
		"no path":       `deny contains {"msg": "m"}`,
		"no msg":        `deny contains {"path": "p"}`,
		"not an object": `deny contains "m"`,
		"unknown field": `deny contains {"msg": "m", "path": "p", "pth": "q"}`,
		"odd type":      `deny contains {"msg": "m", "path": 7}`,
		"odd mode":      `deny contains {"msg": "m", "path": "p", "at_most": "shout"}`,
		"odd excess":    `deny contains {"msg": "m", "path": "p", "excess": "3"}`,
		"odd fix":       `deny contains {"msg": "m", "path": "p", "fix": "x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			p := program(t, map[string]string{"a-policy": body, "b-policy": always})
			results, err := p.Evaluate(t.Context(), configMap(nil), []int{0, 1}, rego.Deny)
			if err != nil {
				t.Fatal(err)
			}
			if results[0].Err == nil || len(results[0].Violations) > 0 {
				t.Errorf("got %+v", results[0])
			}
			if results[1].Err != nil || len(results[1].Violations) != 1 {
				t.Errorf("the other policy was not decided: %+v", results[1])
			}
		})
	}
}

// A quantity in bytes has more digits than a float64.
func TestAnExcessKeepsItsDigits(t *testing.T) {
	body := `deny contains {"msg": "m", "path": "p", "excess": to_number(input.object.data.used) - 1}`
	p := program(t, map[string]string{"a-policy": body})
	results, err := p.Evaluate(t.Context(), configMap(map[string]any{"used": "9223372036854775809"}), []int{0}, rego.Deny)
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	if got := results[0].Violations[0].Excess; got != "9223372036854775808" {
		t.Errorf("got %s", got)
	}
}

func TestOddIntentsAreErrors(t *testing.T) {
	for name, intent := range map[string]string{
		"no container": `{"field": "resources.requests.cpu", "value": "1"}`,
		"odd field":    `{"container": "c", "field": "lifecycle", "value": "1"}`,
		"odd resource": `{"container": "c", "field": "resources.requests.gpu", "value": "1"}`,
		"odd value":    `{"container": "c", "field": "resources.requests.cpu", "value": "much"}`,
		"no value":     `{"container": "c", "field": "resources.requests.cpu"}`,
		"unknown":      `{"container": "c", "field": "resources.requests.cpu", "value": "1", "force": "yes"}`,
	} {
		t.Run(name, func(t *testing.T) {
			p := program(t, map[string]string{"a-policy": "inject contains " + intent, "b-policy": always})
			results, err := p.Evaluate(t.Context(), configMap(nil), []int{0, 1}, rego.Both)
			if err != nil || results[0].Err == nil || len(results[0].Intents) > 0 || len(results[1].Violations) != 1 {
				t.Errorf("got %+v, %v", results, err)
			}
		})
	}
}

func TestOnePolicyUnderSeveralParameterSets(t *testing.T) {
	body := `deny contains {"msg": input.parameters.word, "path": "p"}`
	p := program(t, map[string]string{"a-policy": body, "b-policy": always},
		rego.Instance{Policy: "a-policy", Parameters: map[string]any{"word": "one"}},
		rego.Instance{Policy: "b-policy", Parameters: map[string]any{}},
		rego.Instance{Policy: "a-policy", Parameters: map[string]any{"word": "two"}},
	)
	results, err := p.Evaluate(t.Context(), configMap(nil), []int{0, 1, 2}, rego.Both)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"one", "always", "two"} {
		if len(results[i].Violations) != 1 || results[i].Violations[0].Message != want {
			t.Errorf("instance %d: got %+v, want %q", i, results[i], want)
		}
	}
}

func TestOnlyAskedInstancesSpeak(t *testing.T) {
	p := program(t, map[string]string{"a-policy": always, "b-policy": always})
	results, err := p.Evaluate(t.Context(), configMap(nil), []int{1}, rego.Both)
	if err != nil || len(results) != 1 || len(results[0].Violations) != 1 {
		t.Errorf("got %+v, %v", results, err)
	}
}

// Without the import, OPA evaluates the argument of a function outside the negation. If the argument is
// undefined, so is the whole rule, which then allows the object.
func TestNegationOfSomethingUndefinedIsTrue(t *testing.T) {
	body := "present(x) if x != null\n\ndeny contains {\"msg\": \"m\", \"path\": \"p\"} if not present(input.object.data.missing.deeper)"
	name, source := file("a-policy", body)
	if _, err := rego.Load(fstest.MapFS{name: source}); err == nil || !strings.Contains(err.Error(), "import future.keywords.not") {
		t.Errorf("the negation without its import was taken: %v", err)
	}
	p := program(t, map[string]string{"a-policy": "import future.keywords.not\n\n" + body})
	results, err := p.Evaluate(t.Context(), configMap(nil), []int{0}, rego.Deny)
	if err != nil || len(results[0].Violations) != 1 {
		t.Errorf("got %+v, %v", results, err)
	}
}

func TestEvaluationStopsAtTheDeadline(t *testing.T) {
	body := `many := numbers.range(1, 3000)

deny contains {"msg": "m", "path": "p"} if {
	some x in many
	some y in many
	some z in many
	x * y * z == -1
}`
	p := program(t, map[string]string{"a-loop": body})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := p.Evaluate(ctx, configMap(nil), []int{0}, rego.Deny)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestKeysSurviveReordering(t *testing.T) {
	body := `deny contains {"msg": "m", "path": "spec.containers[1].image", "container": "b"}`
	files := fstest.MapFS{}
	name, source := file("a-policy", body)
	source.Data = []byte(strings.Replace(string(source.Data), "[ConfigMap]", "[Pod]", 1))
	files[name] = source
	catalog, err := rego.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	p, err := rego.Compile(catalog, []rego.Instance{{Policy: "a-policy", Parameters: map[string]any{}}})
	if err != nil {
		t.Fatal(err)
	}
	r := &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Object: map[string]any{"spec": map[string]any{
		"containers": []any{map[string]any{"name": "a"}, map[string]any{"name": "b"}},
	}}}
	results, err := p.Evaluate(t.Context(), r, []int{0}, rego.Both)
	if err != nil {
		t.Fatal(err)
	}
	if got := results[0].Violations[0].Key; got != "spec.containers[b].image" {
		t.Errorf("got %q", got)
	}
}

// What a policy needs to know about LimitRanges is in its input.
func TestInputHasRefusalsAndGaps(t *testing.T) {
	name, source := file("a-policy", `deny contains {"msg": refusal.message, "path": "p"} if some refusal in input.workload.refusals

deny contains {"msg": field, "path": path} if {
	some field, paths in input.gaps
	some path, _ in paths
}`)
	source.Data = []byte(strings.Replace(string(source.Data), "[ConfigMap]", "[Pod]", 1))
	catalog, err := rego.Load(fstest.MapFS{name: source})
	if err != nil {
		t.Fatal(err)
	}
	p, err := rego.Compile(catalog, []rego.Instance{{Policy: "a-policy", Parameters: map[string]any{}}})
	if err != nil {
		t.Fatal(err)
	}
	one := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	w := &decision.Workload{Pod: map[string]any{}, Refusals: []decision.Refusal{{Message: "too much"}}, Containers: []decision.Container{
		{Name: "a", Type: decision.ContainerApp, Path: "a", Effective: corev1.ResourceRequirements{Requests: one, Limits: one}},
		{Name: "b", Type: decision.ContainerInit, Path: "b", Effective: corev1.ResourceRequirements{Requests: one}},
		{Name: "e", Type: decision.ContainerEphemeral, Path: "e"},
	}}
	r := &decision.Request{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Object: map[string]any{}, Workload: w}
	for _, test := range []struct {
		pod  *corev1.ResourceRequirements
		want string
	}{
		{nil, "limits.cpu b,limits.memory a,limits.memory b,requests.memory a,requests.memory b,too much p"},
		{&corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}}, "limits.cpu b,too much p"},
		{&corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}}, "limits.cpu b,limits.memory a,limits.memory b,too much p"},
	} {
		w.PodResources = test.pod
		results, err := p.Evaluate(t.Context(), r, []int{0}, rego.Deny)
		if err != nil || results[0].Err != nil {
			t.Fatal(err, results)
		}
		var found []string
		for _, v := range results[0].Violations {
			found = append(found, v.Message+" "+v.Path)
		}
		slices.Sort(found)
		if got := strings.Join(found, ","); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}
