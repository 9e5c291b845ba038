package rego

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/rego/sandbox"
)

// newLibraryCompiler returns a compiler for the library's modules, which are evaluated in batches.
func (c *Catalog) newLibraryCompiler() *ast.Compiler {
	ids := map[string]string{}
	for id, policy := range c.policies {
		ids[policy.Package] = id
	}
	return batchParameters(sandbox.NewCompiler(), ids)
}

// batchParameters lets several policies share one input. Each policy reads its parameters as
// input.parameters.<name>, but one query evaluates all the policies that a request needs, and a separate input
// for each would discard what OPA caches between them. The shared input therefore holds parameters by policy
// id, and the compiler inserts the id into every reference: input.parameters.minimum of min-replicas becomes
// input.parameters["min-replicas"].minimum.
//
// ids maps the packages of policies to their ids. Modules of other packages are helpers, which have no
// parameters.
func batchParameters(compiler *ast.Compiler, ids map[string]string) *ast.Compiler {
	// At this stage imports are resolved, so every reference is written in full.
	return compiler.WithStageAfterID(ast.StageResolveRefs, ast.CompilerStageDefinition{
		Name: "batch_parameters", MetricName: "compile_stage_batch_parameters", Stage: func(c *ast.Compiler) *ast.Error {
			for _, module := range c.Modules {
				if module.Package.Path.HasPrefix(ast.MustParseRef("data." + entryRoot)) {
					continue
				}
				if err := insertID(module, ids[packageOf(module)]); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// insertID inserts the id into each reference to parameters. It rejects references that may reach parameters
// indirectly, because those would see the parameters of all policies.
func insertID(module *ast.Module, id string) (fault *ast.Error) {
	fail := func(term *ast.Term, reason string) {
		if fault == nil {
			fault = ast.NewError(ast.CompileErr, term.Location, "%s", reason)
		}
	}
	done := map[*ast.Term]bool{} // the head of a rule may contain the same term twice
	sandbox.WalkTerms(module, func(term *ast.Term) {
		switch {
		case done[term]:
		case readsWholeInput(term):
			fail(term, "reads or replaces input as a whole: name the part, such as input.object")
		case !readsParameters(term):
		case id == "":
			fail(term, "a helper has no parameters: pass the value as an argument")
		default:
			done[term] = true
			ref := term.Value.(ast.Ref)
			own := ast.StringTerm(id).SetLocation(term.Location)
			term.Value = append(append(append(ast.Ref{}, ref[:2]...), own), ref[2:]...)
		}
	})
	return fault
}

func readsParameters(term *ast.Term) bool {
	ref, ok := term.Value.(ast.Ref)
	return ok && ref.HasPrefix(ast.InputRootRef) && constantAt(ref, 1) == "parameters"
}

// readsWholeInput reports whether a term is input itself, or a member of it whose name is computed.
func readsWholeInput(term *ast.Term) bool {
	ref, ok := term.Value.(ast.Ref)
	return ok && ref.HasPrefix(ast.InputRootRef) && constantAt(ref, 1) == ""
}

// readsByID returns the first line of a user's Policy that reads its parameters as input.parameters[<own
// id>].<name>, or 0 if there is none. The module has its imports resolved; it is nil if it does not compile.
//
// A Policy that uses input.parameters as a whole also counts if its rules mention its id.
func (p *Policy) readsByID(module *ast.Module) (line int) {
	if module == nil {
		return 0
	}
	mentioned, whole := 0, false
	sandbox.WalkTerms(module, func(term *ast.Term) {
		switch {
		case line > 0:
		case readsParameters(term) && p.underID(term.Value.(ast.Ref)):
			line = term.Location.Row
		case readsWholeInput(term) || readsParameters(term) && constantAt(term.Value.(ast.Ref), 2) == "":
			whole = true
		case mentioned == 0 && term.Value.Compare(ast.String(p.ID)) == 0:
			mentioned = term.Location.Row
		}
	})
	if line == 0 && whole && p.parameter(p.ID) == nil {
		return mentioned
	}
	return line
}

// underID reports whether a reference reads parameters under the Policy's id. If a parameter is named like the
// id, the next part of the reference decides which of the two is meant. A computed name followed by the name of
// a parameter, as in input.parameters[_].minimum, can only mean the id, unless a parameter is an object itself.
func (p *Policy) underID(ref ast.Ref) bool {
	switch constantAt(ref, 2) {
	case p.ID:
	case "":
		object := func(parameter Parameter) bool { return parameter.Type == "object" }
		return p.parameter(constantAt(ref, 3)) != nil && !slices.ContainsFunc(p.Parameters, object)
	default:
		return false
	}
	same := p.parameter(p.ID)
	return same == nil || same.Type != "object" && p.parameter(constantAt(ref, 3)) != nil
}

func (p *Policy) parameter(name string) *Parameter {
	for i := range p.Parameters {
		if p.Parameters[i].Name == name {
			return &p.Parameters[i]
		}
	}
	return nil
}

// ownParameters returns a user's Policy's input.parameters: its parameters, repeated under its id if the Policy
// was written for that form.
func (p *Policy) ownParameters(parameters ast.Value) ast.Value {
	if p.byID == 0 {
		return parameters
	}
	own, ok := parameters.(ast.Object)
	if !ok {
		own = ast.NewObject()
	}
	all := ast.NewObject([2]*ast.Term{ast.StringTerm(p.ID), ast.NewTerm(parameters)})
	own.Foreach(func(name, value *ast.Term) {
		if all.Get(name) == nil {
			all.Insert(name, value)
		}
	})
	return all
}

// Deprecations returns a sentence for each construct of a user's Policy that the next version rejects.
func (p *Policy) Deprecations() []string {
	if p.byID == 0 {
		return nil
	}
	return []string{fmt.Sprintf("Line %d reads parameters under the Policy's own id: write input.parameters.<name> instead of "+
		"input.parameters[%q].<name>, which the next version of Taffrail does not accept.", p.byID, p.ID)}
}
