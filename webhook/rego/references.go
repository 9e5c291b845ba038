package rego

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// libraryHelpers is the package of the library that users' policies may use.
const libraryHelpers = libraryRoot + ".lib"

// newUserCompiler makes what evaluates users' policies, which are sound.
func newUserCompiler() *ast.Compiler { return compareEquals(bind(newCompiler())) }

// newJudge makes a compiler that finds out whether the module in file is sound. What it
// finds beside OPA's own errors it adds to faults: a stage of a compiler can report only
// one.
func newJudge(helpers map[string]bool, file string, faults *[]error) *ast.Compiler {
	stage := func(name string, check func(*ast.Module) []*SourceError) ast.CompilerStageDefinition {
		return ast.CompilerStageDefinition{Name: name, MetricName: "compile_stage_" + name, Stage: func(c *ast.Compiler) *ast.Error {
			found := check(c.Modules[file])
			for _, fault := range found {
				*faults = append(*faults, fault)
			}
			if len(found) == 0 {
				return nil
			}
			return ast.NewError(found[0].Code, nil, "%s", found[0].Reason)
		}}
	}
	references := func(module *ast.Module) []*SourceError { return checkReferences(module, helpers) }
	return newCompiler().SetErrorLimit(0).
		// Imports are resolved then, so that every reference is written in full.
		WithStageAfterID(ast.StageResolveRefs, stage("check_references", references)).
		// Every rule has been taken apart then, and no type has been looked at.
		WithStageAfterID(ast.StageCheckRecursion, stage("check_type_size", checkTypeSize))
}

// checkReferences lets a user's policy refer in data only to its own package and to the
// library's helpers. Taking one Policy away can then never change another.
func checkReferences(module *ast.Module, helpers map[string]bool) []*SourceError {
	var faults []*SourceError
	seen := map[string]bool{}
	fail := func(location *ast.Location, format string, args ...any) {
		fault := &SourceError{File: module.Package.Location.File, Code: CodeReference, Reason: fmt.Sprintf(format, args...)}
		if location != nil {
			fault.Row = location.Row
		}
		if text := fault.Error(); !seen[text] {
			seen[text] = true
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
		case !strings.HasPrefix(prefix, "data."+libraryHelpers+"."):
			fail(term.Location, "refers to %s: a policy of your own may refer to its own package and to a rule of data.%s", ref, libraryHelpers)
		case !known(prefix, helpers):
			fail(term.Location, "refers to %s, which data.%s does not have", ref, libraryHelpers)
		}
	}
	for _, rule := range module.Rules {
		ast.WalkTerms(rule, func(term *ast.Term) bool {
			check(term)
			return false
		})
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

// known is about the constant part of a reference: it must be a package of helpers, or
// lead to one of their rules, or into its value.
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
