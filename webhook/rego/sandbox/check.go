package sandbox

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	// Helpers is the package of the library that users' Policies may use.
	Helpers = "taffrail.lib"
	// MaxSource limits the Rego of one Policy, in bytes. It is six times the size of the library's longest
	// policy.
	MaxSource = 64 << 10
)

// Codes of a Fault.
const (
	CodeSize      = "policy_size_error"
	CodeReference = "policy_reference_error"
)

// Fault is a reason why a Policy is not compiled.
type Fault struct {
	// Row is 0 if the fault is not on a particular line.
	Row    int
	Code   string
	Reason string
}

// NewCompiler returns a compiler that allows what policies may use, including those of the library.
func NewCompiler() *ast.Compiler {
	return ast.NewCompiler().WithCapabilities(Capabilities()).WithStrict(true)
}

// NewEvaluator returns a compiler for Policies that the compiler of NewChecker accepted.
func NewEvaluator() *ast.Compiler { return compareEquals(Limit(NewCompiler())) }

// NewChecker returns a compiler that rejects a module that may not be evaluated. Faults that Taffrail finds are
// added to faults, because a compiler stage can report only one error. helpers lists what the module may refer
// to in data: true for a rule, false for a package.
func NewChecker(file string, helpers map[string]bool, faults *[]Fault) *ast.Compiler {
	stage := func(name string, check func(*ast.Module) []Fault) ast.CompilerStageDefinition {
		return ast.CompilerStageDefinition{Name: name, MetricName: "compile_stage_" + name, Stage: func(c *ast.Compiler) *ast.Error {
			found := check(c.Modules[file])
			*faults = append(*faults, found...)
			if len(found) == 0 {
				return nil
			}
			return ast.NewError(found[0].Code, nil, "%s", found[0].Reason)
		}}
	}
	references := func(module *ast.Module) []Fault { return checkReferences(module, helpers) }
	return NewCompiler().SetErrorLimit(0).
		// At this stage imports are resolved, so every reference is written in full.
		WithStageAfterID(ast.StageResolveRefs, stage("check_references", references)).
		// At this stage bodies are rewritten, but types are not yet checked.
		WithStageAfterID(ast.StageCheckRecursion, stage("check_type_size", checkTypeSize))
}

// checkReferences restricts a user's policy to its own package and the library's helpers, so that deleting one
// Policy can never change another.
func checkReferences(module *ast.Module, helpers map[string]bool) []Fault {
	var faults []Fault
	seen := map[Fault]bool{}
	fail := func(location *ast.Location, format string, args ...any) {
		fault := Fault{Code: CodeReference, Reason: fmt.Sprintf(format, args...)}
		if location != nil {
			fault.Row = location.Row
		}
		if !seen[fault] {
			seen[fault] = true
			faults = append(faults, fault)
		}
	}
	own := module.Package.Path
	check := func(term *ast.Term) {
		ref, ok := term.Value.(ast.Ref)
		if !ok || !ref.HasPrefix(ast.DefaultRootRef) || ref.HasPrefix(own) {
			return
		}
		prefix := ref.ConstantPrefix().String()
		switch {
		case !strings.HasPrefix(prefix, "data."+Helpers+"."):
			fail(term.Location, "refers to %s: a policy of your own may refer to its own package and to a rule of data.%s", ref, Helpers)
		case !known(prefix, helpers):
			fail(term.Location, "refers to %s, which data.%s does not have", ref, Helpers)
		}
	}
	WalkTerms(module, check)
	for _, rule := range module.Rules {
		ast.WalkWiths(rule, func(with *ast.With) bool {
			check(with.Target)
			if ref, ok := with.Target.Value.(ast.Ref); !ok || !ref.HasPrefix(ast.InputRootRef) && !ref.HasPrefix(ast.DefaultRootRef) {
				fail(with.Location, "replaces %s: only parts of input can be replaced by `with`", with.Target)
			}
			return false
		})
	}
	return faults
}

// known reports whether the constant part of a reference is a package of helpers, one of their rules, or a part
// of a rule's value.
func known(prefix string, helpers map[string]bool) bool {
	if _, ok := helpers[prefix]; ok {
		return true
	}
	for dot := strings.LastIndexByte(prefix, '.'); dot >= 0; dot = strings.LastIndexByte(prefix, '.') {
		if prefix = prefix[:dot]; helpers[prefix] {
			return true
		}
	}
	return false
}
