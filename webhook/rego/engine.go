package rego

import "fmt"

// Engine evaluates the rules of policies. All engines find the same.
type Engine string

const (
	// EngineCompiled compiles policies to Go: see package compile. Policies that cannot be compiled are evaluated by
	// EngineTopdown.
	EngineCompiled Engine = "compiled"
	// EngineTopdown is OPA's interpreter. It is slower, and the reference for what a policy means.
	EngineTopdown Engine = "topdown"
)

// ParseEngine returns the engine with this name.
func ParseEngine(name string) (Engine, error) {
	switch engine := Engine(name); engine {
	case EngineCompiled, EngineTopdown:
		return engine, nil
	}
	return "", fmt.Errorf("unknown engine %q: use %s or %s", name, EngineCompiled, EngineTopdown)
}

// WithEngine returns the same catalog, whose programs are evaluated by an engine. Load returns one for
// EngineCompiled.
func (c *Catalog) WithEngine(engine Engine) *Catalog {
	other := *c
	other.engine = engine
	return &other
}

// WithEngine returns the same program, evaluated by an engine. Compile returns programs for that of the catalog.
func (p *Program) WithEngine(engine Engine) *Program {
	other := *p
	other.engine = engine
	return &other
}

// Engine returns the engine that evaluates the policy where nothing else is asked for. If it is EngineTopdown, the
// error says why the policy cannot be compiled.
func (p *Policy) Engine() (Engine, error) {
	if _, err := p.compiled(nil); err != nil {
		return EngineTopdown, err
	}
	return EngineCompiled, nil
}
