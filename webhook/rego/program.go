package rego

import (
	"bytes"
	"context"
	"encoding/json"
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

// Instance is one policy under one set of parameters, already checked and defaulted by
// Policy.CheckParameters.
type Instance struct {
	Policy     string
	Parameters map[string]any
}

// maxPatterns is how many compiled patterns are kept. OPA itself keeps 100.
const maxPatterns = 4096

// Program evaluates a fixed list of instances. It is immutable and safe for concurrent use.
type Program struct {
	instances []instance
	// library is shared by all programs of a catalogue. Users' Policies are compiled apart, each
	// alone: nothing in one can change, slow down or break what the others find.
	library  *unit
	turns    sandbox.Turns
	indexing bool
	coverage *Coverage // nil but for the tests of policies
	// steps is told what each evaluation took, "" for the library; nil but for tests.
	steps func(policy string, steps int)
}

// unit is what is compiled and evaluated together.
type unit struct {
	compiler *ast.Compiler
	store    storage.Store
	builtins map[string]*topdown.Builtin
	// entries has one prepared query per kind for all policies bound to it, so that a
	// request costs nothing for policies about other kinds.
	entries map[schema.GroupKind]*entry
	// values keeps compiled patterns, which are constants or parameters; nil for users' Policies,
	// whose patterns may be anything.
	values cache.InterQueryValueCache
	// alone has queries for each policy: for naming the culprit when an entry's query fails.
	alone map[string]*entry
	// code is what the budget of a user's Policy depends on.
	code *sandbox.Code
}

type instance struct {
	policy     *Policy
	id         *ast.Term
	parameters *ast.Term
}

// entry is the query of one kind, in the three parts that a request may need.
type entry struct {
	deny, inject, both *query
}

// query is a compiled body that binds the variables deny and inject, as far as asked.
type query struct {
	body     ast.Body
	compiler ast.QueryCompiler
}

// Compile returns a Program for the instances. Evaluate identifies them by index.
func Compile(catalog *Catalog, instances []Instance) (*Program, error) {
	p := &Program{turns: catalog.shared.turns, indexing: true}
	for _, s := range instances {
		policy, ok := catalog.Policy(s.Policy)
		if !ok {
			return nil, fmt.Errorf("there is no policy %q", s.Policy)
		}
		parameters, err := parameterValue(s.Parameters)
		if err != nil {
			return nil, fmt.Errorf("parameters of policy %q: %w", s.Policy, err)
		}
		if policy.User {
			parameters = policy.ownParameters(parameters)
		}
		p.instances = append(p.instances, instance{policy: policy, id: ast.StringTerm(policy.ID), parameters: ast.NewTerm(parameters)})
		if policy.User {
			_, err = policy.own.compile()
		} else {
			p.library, err = catalog.shared.library()
		}
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", s.Policy, err)
		}
	}
	return p, nil
}

func newUnit(compiler *ast.Compiler, builtins map[string]*topdown.Builtin) *unit {
	return &unit{
		compiler: compiler, store: inmem.New(), builtins: builtins,
		entries: map[schema.GroupKind]*entry{}, alone: map[string]*entry{},
	}
}

// compileLibrary compiles all policies, bound or not: which are evaluated depends on whose
// parameters are in the input. A change of Guardrails compiles nothing.
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

// WithoutRuleIndexing returns the same program with OPA's rule indexer off: an oracle
// for the indexer, which has had silent regressions.
func (p *Program) WithoutRuleIndexing() *Program {
	plain := *p
	plain.indexing = false
	return &plain
}

// parameterValue goes by way of JSON, which writes whole numbers as such: sprintf in a
// policy is to print 31536000 and not 3.1536e+07.
func parameterValue(parameters map[string]any) (ast.Value, error) {
	text, err := json.Marshal(parameters)
	if err != nil {
		return nil, err
	}
	return ast.ValueFromReader(bytes.NewReader(text))
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

// entryModule collects what the policies of one kind say. Every policy has a key of
// its own as soon as it has parameters in the input (see batchParameters), even where it
// finds nothing: a comprehension over packages would be empty without an error where one of
// them defines no deny.
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
