package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Slot is one policy under one set of parameters, already checked and defaulted by
// Policy.CheckParameters.
type Slot struct {
	Policy     string
	Parameters map[string]any
}

// Program evaluates a fixed list of slots. It is immutable and safe for concurrent use.
type Program struct {
	slots []slot
	// The library's policies and users' own are compiled apart: nothing in a user's policy
	// can change, slow down or break what the library says.
	library, users *unit
	aside          *breaker
	indexing       bool
	coverage       *Coverage // nil but for the tests of policies
}

// unit is what is compiled and evaluated together.
type unit struct {
	compiler *ast.Compiler
	store    storage.Store
	builtins map[string]*topdown.Builtin
	// entries has one prepared query per kind for all policies bound to it, so that a
	// request costs nothing for policies about other kinds.
	entries map[schema.GroupKind]*entry
	// alone has a query per policy, for naming the culprit when an entry's query fails.
	alone map[string]*query
}

type slot struct {
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

// Compile prepares the slots. Evaluate speaks of them by index.
func Compile(catalog *Catalog, slots []Slot) (*Program, error) {
	p := &Program{aside: catalog.aside, indexing: true}
	library, users := map[string]*Policy{}, map[string]*Policy{}
	for _, s := range slots {
		policy, ok := catalog.Policy(s.Policy)
		if !ok {
			return nil, fmt.Errorf("there is no policy %q", s.Policy)
		}
		parameters, err := parameterValue(s.Parameters)
		if err != nil {
			return nil, fmt.Errorf("parameters of policy %q: %w", s.Policy, err)
		}
		p.slots = append(p.slots, slot{policy: policy, id: ast.StringTerm(policy.ID), parameters: ast.NewTerm(parameters)})
		if policy.User {
			users[policy.ID] = policy
		} else {
			library[policy.ID] = policy
		}
	}
	var err error
	if p.library, err = compileUnit(newCompiler(), catalog.modules, library, nil); err != nil {
		return nil, err
	}
	p.users, err = compileUnit(newUserCompiler(), catalog.userModules(users), users, boundedBuiltins())
	return p, err
}

// userModules are those of the policies, with what they need of the library.
func (c *Catalog) userModules(policies map[string]*Policy) map[string]*ast.Module {
	own := map[string]*ast.Module{}
	for id := range policies {
		own[userFile(id)] = c.users[userFile(id)]
	}
	modules := c.helpersOf(slices.Collect(maps.Values(own))...)
	maps.Copy(modules, own)
	return modules
}

func compileUnit(compiler *ast.Compiler, modules map[string]*ast.Module, bound map[string]*Policy, builtins map[string]*topdown.Builtin) (*unit, error) {
	u := &unit{
		compiler: compiler, store: inmem.New(), builtins: builtins,
		entries: map[schema.GroupKind]*entry{}, alone: map[string]*query{},
	}
	if len(bound) == 0 {
		return u, nil
	}
	kinds := kindsOf(bound)
	modules = maps.Clone(modules)
	for i, kind := range kinds {
		name := entryName(i)
		module, err := ast.ParseModuleWithOpts(name, entryModule(name, policiesFor(bound, kind)), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			return nil, fmt.Errorf("entry of %s: %w", kind, err)
		}
		modules[name] = module
	}
	if u.compiler.Compile(modules); u.compiler.Failed() {
		return nil, u.compiler.Errors
	}
	for i, kind := range kinds {
		e, err := u.newEntry(entryName(i), policiesFor(bound, kind))
		if err != nil {
			return nil, fmt.Errorf("entry of %s: %w", kind, err)
		}
		u.entries[kind] = e
	}
	for id, policy := range bound {
		alone, err := u.newQuery(policy.Package, policy.Validates, policy.Mutates)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", id, err)
		}
		u.alone[id] = alone
	}
	return u, nil
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
// its own as soon as it has parameters in the input, even where it finds nothing: a
// comprehension over packages would be empty without an error where one of them
// defines no deny.
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
