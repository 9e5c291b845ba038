package rego_test

import (
	"errors"
	"strings"
	"testing"

	"taffrail.dev/webhook/rego"
)

func TestRegoTestsOfAUsersPolicy(t *testing.T) {
	catalog := withUsers(t, map[string]string{"b-own": `import future.keywords.not

deny contains {"msg": "m", "path": "data"} if bad(input.object.data.x)

bad(x) if x == "bad"

bad(x) if {
	x == "worse"
	x != ""
}`})
	const file = "b_own_test.rego"
	coverage := rego.NewCoverage(catalog)
	results, err := catalog.RunTests(t.Context(), map[string]string{file: `package taffrail.user.b_own_test

import data.taffrail.user.b_own

test_bad if count(b_own.deny) == 1 with input as {"object": {"data": {"x": "bad"}}}

test_fails if {
	found := count(b_own.deny) with input as {"object": {"data": {"x": "good"}}}
	print("found", found)
	found == 1
}

test_errs if to_number("x") == 1

test_large if count(numbers.range(1, 1000000)) == 1000000

todo_test_later if false
`}, coverage)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]rego.TestResult{}
	for _, result := range results {
		got[result.Name] = result
	}
	if r := got["test_bad"]; r.Failure != nil || r.Row != 5 || r.File != file || r.Package != "taffrail.user.b_own_test" {
		t.Errorf("got %+v", r)
	}
	if r := got["test_fails"]; r.Failure == nil || r.Failure.Row != 10 || r.Failure.Left != "0" || r.Failure.Right != "1" || r.Output != "found 0\n" {
		t.Errorf("got %+v, %+v", r, r.Failure)
	}
	fault := new(rego.SourceError)
	if r := got["test_errs"]; r.Failure == nil || !errors.As(r.Failure.Err, &fault) || fault.Row != 13 {
		t.Errorf("got %+v, %+v", r, r.Failure)
	}
	if r := got["test_large"]; r.Failure == nil || !errors.As(r.Failure.Err, &fault) || fault.Row != 15 || !strings.HasPrefix(fault.Reason, "numbers.range ") {
		t.Errorf("got %+v, %+v", r, r.Failure)
	}
	if r := got["todo_test_later"]; !r.Skipped || len(got) != 5 {
		t.Errorf("got %+v", got)
	}
	if files := coverage.Files(); len(files) != 1 {
		t.Errorf("got %+v", files)
	} else if c := files[0]; c.File != "Policy/b-own" || (c.Percent != 40 || len(c.Missing) != 1 || c.Missing[0] != [2]int{17, 19}) {
		t.Errorf("got %+v", c)
	}
}

func TestRegoTestsThatDoNotCompile(t *testing.T) {
	catalog := withUsers(t, map[string]string{"b-own": always})
	for name, test := range map[string]struct{ source, want string }{
		"syntax":   {"package x\n\ntest_a if {", "x_test.rego:3: rego_parse_error"},
		"types":    {"package x\n\ntest_a if nope(1)", "x_test.rego:3: rego_type_error: undefined function nope"},
		"negation": {"package x\n\ntest_a if not input.x", "x_test.rego:3: policy_negation_error"},
		"outside":  {"package x\n\ntest_a if http.send({})", "x_test.rego:3: rego_type_error: undefined function http.send"},
	} {
		if _, err := catalog.RunTests(t.Context(), map[string]string{"x_test.rego": test.source}, nil); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A test may replace a limited function with its own.
func TestRegoTestsMayReplaceFunctions(t *testing.T) {
	catalog := withUsers(t, map[string]string{"b-own": `deny contains {"msg": "m", "path": "data"} if to_number(input.object.data.x) == 7`})
	results, err := catalog.RunTests(t.Context(), map[string]string{"b_own_test.rego": `package taffrail.user.b_own_test

import data.taffrail.user.b_own

seven(_) := 7

test_replaced if count(b_own.deny) == 1 with input as {"object": {"data": {"x": "1"}}} with to_number as seven

test_as_it_is if count(b_own.deny) == 0 with input as {"object": {"data": {"x": "1"}}}
`}, nil)
	if err != nil || len(results) != 2 {
		t.Fatal(err, results)
	}
	for _, result := range results {
		if result.Failure != nil {
			t.Errorf("%s: %+v", result.Name, result.Failure)
		}
	}
}
