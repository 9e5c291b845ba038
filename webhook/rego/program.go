package rego

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// Instance is a policy with one set of parameters, validated and defaulted by Policy.CheckParameters.
type Instance struct {
	Policy     string
	Parameters map[string]any
	// Budget limits each evaluation of a user's Policy, of its deny rules and of its inject rules. Zero stands for
	// DefaultBudget.
	Budget Budget
}

// Program evaluates a fixed list of instances. It is immutable and safe for concurrent use.
type Program struct {
	instances []instance
	engine    Engine
	machines  *compile.Machines
	// library returns what topdown needs for the policies of the library. All programs of a catalog share it.
	// Users' Policies are compiled separately, so that none can change, slow down or break another.
	library func() (*unit, error)
	// turns are those of users' Policies, and libraryTurns those of the library's.
	turns, libraryTurns sandbox.Turns
	indexing            bool
	coverage            *Coverage // nil except in tests of policies
	// usage receives what each evaluation has used, with policy "" for those of the library that topdown evaluates
	// together. It may be nil.
	usage func(policy string, used Usage)
}

type instance struct {
	policy     *Policy
	id         *ast.Term
	parameters *ast.Term
	compiled   func() (*compiledPolicy, error)
	budget     Budget
}

// Compile returns a Program for the instances. Evaluate identifies instances by index.
func Compile(catalog *Catalog, instances []Instance) (*Program, error) {
	p := &Program{
		engine: catalog.engine, machines: &catalog.shared.machines, library: catalog.shared.library,
		turns: catalog.shared.turns, libraryTurns: catalog.shared.libraryTurns, indexing: true,
	}
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
		p.instances = append(p.instances, instance{
			policy: policy, id: ast.StringTerm(policy.ID), parameters: ast.NewTerm(parameters),
			compiled: policy.programs.get(policy, parameters), budget: cmp.Or(s.Budget, DefaultBudget),
		})
	}
	return p, nil
}

// WithoutRuleIndexing returns the same program with OPA's rule indexer disabled. Tests compare the two, because
// the indexer has had silent regressions. The program is evaluated by topdown.
func (p *Program) WithoutRuleIndexing() *Program {
	plain := p.WithEngine(EngineTopdown)
	plain.indexing = false
	return plain
}

// WithUsage returns the same program, which reports what each evaluation has used.
func (p *Program) WithUsage(report func(policy string, used Usage)) *Program {
	reporting := *p
	reporting.usage = report
	return &reporting
}

// parameterValue converts through JSON, which keeps whole numbers whole: sprintf in a policy must print
// 31536000 and not 3.1536e+07.
func parameterValue(parameters map[string]any) (ast.Value, error) {
	text, err := json.Marshal(parameters)
	if err != nil {
		return nil, err
	}
	return ast.ValueFromReader(bytes.NewReader(text))
}
