package rego

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// userProgram has one user's Policy about ConfigMaps.
func userProgram(t *testing.T, rule string) (*Program, *decision.Request) {
	t.Helper()
	return userPrograms(t, rule)
}

// userPrograms returns a program of users' Policies with one rule each: p, pp, ppp …
func userPrograms(t *testing.T, rules ...string) (*Program, *decision.Request) {
	t.Helper()
	library, err := Load(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{}
	var instances []Instance
	for i, rule := range rules {
		name := strings.Repeat("p", i+1)
		modules[name] = "# METADATA\n# title: t\n# description: d\n# custom:\n#   id: " + name +
			"\n#   severity: low\n#   kinds: [ConfigMap]\n#   remediation: r\npackage taffrail.user." + name + "\n\n" + rule + "\n"
		instances = append(instances, Instance{Policy: name, Parameters: map[string]any{}})
	}
	catalog, bad := library.With(modules)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	p, err := Compile(catalog, instances)
	if err != nil {
		t.Fatal(err)
	}
	return p, &decision.Request{
		Operation: decision.Create, Kind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Name: "c",
		Object: map[string]any{"kind": "ConfigMap", "metadata": map[string]any{"name": "c"}},
	}
}

const (
	// tooLarge fails immediately, expensive only after many steps.
	tooLarge  = `deny contains {"msg": "m", "path": "p"} if count(numbers.range(1, 1000000000)) == 7`
	expensive = `deny contains {"msg": "m", "path": "p"} if {
	count([x | some x in numbers.range(1, 9999); some y in [1, 2, 3]; x * y == -1]) == 0
	count(numbers.range(1, 1000000000)) == 7
}`
)

// An object that uses up most of the time of its request does not get past a Policy: the Policy fails to decide
// it. If the object is an ordinary one, the request fails instead.
func TestWhoseFaultItIsThatThereIsNoTime(t *testing.T) {
	ended := errors.New("the caller has hung up")

	program, r := userProgram(t, expensive)
	program.turns = make(sandbox.Turns) // the test hands out the turn and takes it back
	ctx, end := context.WithCancelCause(t.Context())
	go func() {
		<-program.turns
		end(ended)
		program.turns <- struct{}{}
	}()
	results := make([]decision.Result, 1)
	err := program.evaluateUsers(ctx, r, newInput(r), []int{0}, []int{0}, Both, results)
	if failed := new(EvaluationError); err != nil || !errors.Is(results[0].Err, sandbox.ErrNoTime) || !errors.As(results[0].Err, &failed) || failed.Policy != "p" {
		t.Errorf("an expensive object: got %v, %v", results[0].Err, err)
	}

	program, r = userProgram(t, tooLarge)
	results = make([]decision.Result, 1)
	if err := program.evaluateUsers(ctx, r, newInput(r), []int{0}, []int{0}, Both, results); !errors.Is(err, ended) || results[0].Err != nil {
		t.Errorf("an ordinary object: got %v, %v", results[0].Err, err)
	}
	if _, err := program.Evaluate(ctx, r, []int{0}, Both); !errors.Is(err, ended) {
		t.Errorf("an ordinary object: got %v", err)
	}

	results = make([]decision.Result, 1)
	if err := program.evaluateUsers(t.Context(), r, newInput(r), []int{0}, []int{0}, Both, results); err != nil || !errors.Is(results[0].Err, sandbox.ErrTooLarge) {
		t.Errorf("in time: got %v, %v", results[0].Err, err)
	}
}

// announced is the context of a request that has a deadline, which this test never reaches.
type announced struct {
	context.Context //nolint:containedctx // it is one
	deadline        time.Time
}

func (a announced) Deadline() (time.Time, bool) { return a.deadline, true }

// With either engine, an object that would take all the time of its request is answered within it: an error instead
// would let the object in wherever the webhook's failurePolicy is Ignore.
func TestAnExpensiveObjectIsAnsweredInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs a machine that is not slowed down by the race detector")
	}
	for _, engine := range []Engine{EngineCompiled, EngineTopdown} {
		program, r := userProgram(t, `deny contains {"msg": "m", "path": "p"} if {
	some x in numbers.range(1, 9999)
	some y in numbers.range(1, 9999)
	x * y == -1
}`)
		program.turns = make(sandbox.Turns) // nobody hands out a turn
		program.instances[0].budget = Budget{Steps: 1 << 30, Bytes: 1 << 40}
		ctx := announced{t.Context(), time.Now().Add(4 * time.Second)}
		results, err := program.WithEngine(engine).Evaluate(ctx, r, []int{0}, Both)
		if err != nil || !errors.Is(results[0].Err, sandbox.ErrNoTime) {
			t.Errorf("%s: got %+v, %v", engine, results, err)
		}
	}
}

// A Policy that is evaluated after the time of users' Policies still sees every credential, or the object would be
// admitted because another Policy was expensive.
func TestTheScanForCredentialsHasTheTimeOfTheRequest(t *testing.T) {
	program, r := userPrograms(t, `deny contains {"msg": "m", "path": "p"} if {
	some x in numbers.range(1, 9999)
	some y in numbers.range(1, 9999)
	x * y == -1
}`, `deny contains {"msg": "m", "path": path} if some path, _ in input.credentials.found`)
	r.Object["data"] = map[string]any{"DB_PASSWORD": "x7Kq29vLmZp4"}
	program.turns = make(sandbox.Turns) // nobody hands out a turn
	program.instances[0].budget = Budget{Steps: 1 << 30, Bytes: 1 << 40}
	ctx := announced{t.Context(), time.Now().Add(2 * time.Second)}
	results, err := program.Evaluate(ctx, r, []int{0, 1}, Both)
	if err != nil || !errors.Is(results[0].Err, sandbox.ErrNoTime) {
		t.Fatalf("got %+v, %v", results, err)
	}
	if results[1].Err == nil && len(results[1].Violations) == 0 {
		t.Error("the credential was not found")
	}
}

// The message for each reason why a Policy fails quotes nothing from the object.
func TestFailuresAreToldInWordsOfOurOwn(t *testing.T) {
	for want, err := range map[string]error{
		"used more than 1,000,000 steps":                  &compile.BudgetError{Resource: compile.Steps, Used: 1_000_001, Limit: 1_000_000},
		"used more than 65,536 bytes":                     &compile.BudgetError{Resource: compile.Bytes, Used: 70_000, Limit: 65_536},
		"was stopped because the request ran out of time": sandbox.ErrNoTime,
		"produces more than a policy may: sprintf at p.rego:7 takes or returns a list of hunter elements": &sandbox.LimitError{File: "p.rego", Row: 7, Builtin: "sprintf", Reason: "a list of hunter elements"},
		"produces more than a policy may":            sandbox.ErrTooLarge,
		"fails with eval_conflict_error at p.rego:3": &RuleError{Code: "eval_conflict_error", File: "p.rego", Row: 3},
		"fails with eval_conflict_error":             &RuleError{Code: "eval_conflict_error", Row: 3},
		"fails, see Taffrail's log":                  errors.New("hunter2"),
	} {
		if got := FailureReason(&EvaluationError{Policy: "p", Err: err}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A user's Policy reports nothing about kinds that it does not cover, even if others cover them.
func TestPoliciesSayNothingOfOtherKinds(t *testing.T) {
	library, err := Load(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	source := func(name, kind string) string {
		return "# METADATA\n# title: t\n# description: d\n# custom:\n#   id: " + name + "\n#   severity: low\n#   kinds: [" + kind + "]\n#   remediation: r\npackage taffrail.user." + name +
			"\n\ndeny contains {\"msg\": \"" + name + "\", \"path\": \"p\"}\n"
	}
	catalog, bad := library.With(map[string]string{"a": source("a", "ConfigMap"), "b": source("b", "Service"), "c": source("c", "Service, ConfigMap")})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	program, err := Compile(catalog, []Instance{{Policy: "a", Parameters: map[string]any{}}, {Policy: "b", Parameters: map[string]any{}}, {Policy: "c", Parameters: map[string]any{}}})
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{"ConfigMap": "a-c", "Service": "-bc", "Pod": "--"} {
		r := &decision.Request{Operation: decision.Create, Kind: schema.GroupVersionKind{Version: "v1", Kind: kind}, Object: map[string]any{"kind": kind}}
		results, err := program.Evaluate(t.Context(), r, []int{0, 1, 2}, Both)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for i, result := range results {
			switch {
			case result.Err != nil:
				got += "!"
			case len(result.Violations) == 1:
				got += result.Violations[0].Message
			case i < 2:
				got += "-"
			}
		}
		if got != want {
			t.Errorf("%s: got %s", kind, got)
		}
	}
}
