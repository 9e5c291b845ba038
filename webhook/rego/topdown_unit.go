package rego

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/rego/sandbox"
)

// maxPatterns is the number of compiled patterns to cache. OPA's default of 100 is too small.
const maxPatterns = 4096

// unit is a set of modules that are compiled and evaluated together.
type unit struct {
	compiler *ast.Compiler
	store    storage.Store
	builtins map[string]*topdown.Builtin
	// entries has one prepared query per kind, for all policies about that kind, so that a request does not pay
	// for policies about other kinds.
	entries map[schema.GroupKind]*entry
	// values caches compiled patterns, which are constants or parameters. It is nil for users' Policies, whose
	// patterns may be anything.
	values cache.InterQueryValueCache
	// alone has a query for each policy, to identify the culprit when an entry's query fails.
	alone map[string]*entry
	// code is what the cost of a user's Policy is computed from.
	code *sandbox.Code
}

// entry holds the queries of one kind, one for each Part.
type entry struct {
	deny, inject, both *query
}

// query is a compiled body that binds the variables deny, inject, or both.
type query struct {
	body     ast.Body
	compiler ast.QueryCompiler
}

func newUnit(compiler *ast.Compiler, builtins map[string]*topdown.Builtin) *unit {
	return &unit{
		compiler: compiler, store: inmem.New(), builtins: builtins,
		entries: map[schema.GroupKind]*entry{}, alone: map[string]*entry{},
	}
}

// compileLibrary compiles all policies, whether bound or not: the parameters in the input select which of them
// are evaluated. A change of Guardrails therefore compiles nothing.
func (c *Catalog) compileLibrary() (*unit, error) {
	u := newUnit(c.newLibraryCompiler(), nil)
	most := maxPatterns
	u.values = cache.NewInterQueryValueCache(context.Background(), &cache.Config{
		InterQueryBuiltinValueCache: cache.InterQueryBuiltinValueCacheConfig{MaxNumEntries: &most},
	})
	policies := maps.Clone(c.policies)
	maps.DeleteFunc(policies, func(_ string, policy *Policy) bool { return policy.User })
	kinds := kindsOf(policies)
	modules := maps.Clone(c.modules)
	for i, kind := range kinds {
		name := entryName(i)
		module, err := ast.ParseModuleWithOpts(name, entryModule(name, policiesFor(policies, kind)), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			return nil, fmt.Errorf("entry of %s: %w", kind, err)
		}
		modules[name] = module
	}
	if u.compiler.Compile(modules); u.compiler.Failed() {
		return nil, u.compiler.Errors
	}
	for i, kind := range kinds {
		about := policiesFor(policies, kind)
		e, err := u.newEntry(entryName(i), about)
		if err != nil {
			return nil, fmt.Errorf("entry of %s: %w", kind, err)
		}
		u.entries[kind] = e
	}
	for id, policy := range policies {
		if err := u.addAlone(policy); err != nil {
			return nil, fmt.Errorf("policy %s: %w", id, err)
		}
	}
	return u, nil
}

func (u *unit) addAlone(policy *Policy) (err error) {
	u.alone[policy.ID], err = u.newEntry(policy.Package, []*Policy{policy})
	return err
}

func kindsOf(policies map[string]*Policy) []schema.GroupKind {
	kinds := map[schema.GroupKind]bool{}
	for _, policy := range policies {
		for _, kind := range policy.Kinds {
			kinds[kind] = true
		}
	}
	return slices.SortedFunc(maps.Keys(kinds), func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) })
}

func policiesFor(policies map[string]*Policy, kind schema.GroupKind) []*Policy {
	var about []*Policy
	for _, id := range slices.Sorted(maps.Keys(policies)) {
		if slices.Contains(policies[id].Kinds, kind) {
			about = append(about, policies[id])
		}
	}
	return about
}

func entryName(i int) string { return fmt.Sprintf("%s.k%d", entryRoot, i) }

// entryModule generates the module that collects the answers of one kind's policies. Every policy with
// parameters in the input (see batchParameters) gets a key of its own, even if it finds nothing: a
// comprehension over packages would be empty, without an error, if one of them defined no deny.
func entryModule(name string, policies []*Policy) string {
	var text strings.Builder
	fmt.Fprintf(&text, "package %s\n\n", name)
	for _, policy := range policies {
		if policy.Validates {
			fmt.Fprintf(&text, "deny[%q] := data.%s.deny if input.parameters[%q]\n\n", policy.ID, policy.Package, policy.ID)
		}
		if policy.Mutates {
			fmt.Fprintf(&text, "inject[%q] := data.%s.inject if input.parameters[%q]\n\n", policy.ID, policy.Package, policy.ID)
		}
	}
	return text.String()
}

func (u *unit) newEntry(name string, policies []*Policy) (*entry, error) {
	validates := slices.ContainsFunc(policies, func(policy *Policy) bool { return policy.Validates })
	mutates := slices.ContainsFunc(policies, func(policy *Policy) bool { return policy.Mutates })
	e := &entry{}
	var err error
	if validates {
		if e.deny, err = u.newQuery(name, true, false); err != nil {
			return nil, err
		}
	}
	if mutates {
		if e.inject, err = u.newQuery(name, false, true); err != nil {
			return nil, err
		}
	}
	e.both, err = u.newQuery(name, validates, mutates)
	return e, err
}

func (u *unit) newQuery(pkg string, deny, inject bool) (*query, error) {
	var parts []string
	if deny {
		parts = append(parts, "deny = data."+pkg+".deny")
	}
	if inject {
		parts = append(parts, "inject = data."+pkg+".inject")
	}
	parsed, err := ast.ParseBodyWithOpts(strings.Join(parts, "; "), ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, err
	}
	compiler := u.compiler.QueryCompiler()
	body, err := compiler.Compile(parsed)
	if err != nil {
		return nil, err
	}
	return &query{body: body, compiler: compiler}, nil
}
