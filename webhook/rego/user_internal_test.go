package rego

import (
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The size of the cache is proportional to the number of Policies that exist, however often they change, and a
// Policy that does not change is compiled once.
func TestWhatIsRememberedOfUsersPoliciesIsBounded(t *testing.T) {
	c := &Catalog{policies: map[string]*Policy{}, modules: map[string]*ast.Module{}}
	c.share()
	source := func(i int) string {
		return fmt.Sprintf("# METADATA\n# title: t\n# description: d\n# custom:\n#   id: p\n#   severity: low\n#   kinds: [Pod]\n#   remediation: r\npackage taffrail.user.p\n\ndeny contains {\"msg\": \"m\", \"path\": \"p\"} if input.x == %d\n", i)
	}
	stays := map[string]string{"q": strings.ReplaceAll(strings.ReplaceAll(source(0), "id: p", "id: q"), "user.p", "user.q")}
	var first *Policy
	for i := range 200 {
		stays["p"] = source(i)
		more, bad := c.With(stays)
		if len(bad) > 0 {
			t.Fatal(bad)
		}
		policy, _ := more.Policy("q")
		if first == nil {
			first = policy
		}
		if policy != first {
			t.Fatalf("it was read again after %d changes of another", i)
		}
	}
	if n := len(c.shared.users.entries); n > 2*2+spare || n != c.shared.users.recent.Len() {
		t.Errorf("%d are remembered", n)
	}
}

// The parameters of the library's policies are neither visible to a Policy nor counted in the size of its
// input.
func TestParametersOfOthersAreLeftOut(t *testing.T) {
	without, size := strict(map[string]any{"name": "web", "object": map[string]any{"a": "b"}})
	with, same := strict(map[string]any{"name": "web", "object": map[string]any{"a": "b"}, "parameters": map[string]any{"image-tag": map[string]any{"tags": []any{"x"}}}})
	if len(with) != len(without) || with["parameters"] != nil || size != same || size == 0 {
		t.Errorf("%v of size %d, and %v of size %d", without, size, with, same)
	}
}
