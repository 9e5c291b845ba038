package rego

import (
	"errors"
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/rego/compile"
)

// compiledPolicy is a policy under one set of parameters, compiled.
type compiledPolicy struct {
	program *compile.Program
	// parameters is what its rules see as input.parameters.
	parameters any
}

func (p *Policy) denyRule() string { return "data." + p.Package + ".deny" }

func (p *Policy) injectRule() string { return "data." + p.Package + ".inject" }

func (p *Policy) rules() []string {
	var rules []string
	if p.Validates {
		rules = append(rules, p.denyRule())
	}
	if p.Mutates {
		rules = append(rules, p.injectRule())
	}
	return rules
}

// compiled compiles the policy for parameters, which parameterValue returned. If parameters is nil, the
// policy is compiled without any.
func (p *Policy) compiled(parameters ast.Value) (*compiledPolicy, error) {
	if p.plan == nil {
		return nil, errors.New("the policy is not part of a catalog")
	}
	plan, err := p.plan()
	if err != nil {
		return nil, err
	}
	if parameters == nil {
		parameters = ast.NewObject()
	}
	if !p.User { // see batchParameters
		parameters = ast.NewObject([2]*ast.Term{ast.StringTerm(p.ID), ast.NewTerm(parameters)})
	}
	program, err := plan.Compile(compile.Options{Parameters: compile.FromAST(parameters)}, p.rules()...)
	if err != nil {
		return nil, err
	}
	return &compiledPolicy{program: program, parameters: program.Parameters()}, nil
}

// maxPrograms is the number of parameter sets for which a policy stays compiled, in addition to those that are in
// use. A change of Guardrails needs the same ones again.
const maxPrograms = 8

// programCache remembers for which parameters a policy is compiled. It is safe for concurrent use.
type programCache struct {
	mutex   sync.Mutex
	entries []cachedProgram // the last used one last
}

type cachedProgram struct {
	parameters string
	compiled   func() (*compiledPolicy, error)
}

// get returns a function that compiles the policy when it is first called.
func (c *programCache) get(p *Policy, parameters ast.Value) func() (*compiledPolicy, error) {
	key := parameters.String()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	at := slices.IndexFunc(c.entries, func(entry cachedProgram) bool { return entry.parameters == key })
	entry := cachedProgram{parameters: key}
	if at >= 0 {
		entry = c.entries[at]
		c.entries = slices.Delete(c.entries, at, at+1)
	} else {
		entry.compiled = sync.OnceValues(func() (*compiledPolicy, error) { return p.compiled(parameters) })
	}
	c.entries = append(c.entries, entry)
	if len(c.entries) > maxPrograms {
		c.entries = slices.Delete(c.entries, 0, 1)
	}
	return entry.compiled
}
