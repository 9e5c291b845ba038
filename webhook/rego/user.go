package rego

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/util/validation"

	"taffrail.dev/webhook/rego/sandbox"
)

// With returns a catalog that also has users' Policies. modules are keyed by the Policy's name; each is in
// package taffrail.user.<name>, with hyphens replaced by underscores, and its METADATA id is the name. Names
// are DNS labels that begin with a letter (RFC 1035), so no two of them share a package.
//
// Unsound modules are left out, and the map holds their errors: a *MetadataError or *SourceError for each
// fault, joined if there are several. Each module is compiled only with the library and none may refer to
// another, so the outcome for one depends neither on the others nor on their order.
func (c *Catalog) With(modules map[string]string) (*Catalog, map[string]error) {
	more := &Catalog{policies: maps.Clone(c.policies), modules: c.modules, users: maps.Clone(c.users), engine: c.engine, shared: c.shared}
	if more.users == nil {
		more.users = map[string]*ast.Module{}
	}
	bad := map[string]error{}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		source := modules[name]
		read := c.shared.users.get(name, source, func() userModule { return c.readUserModule(name, source) })
		err := read.err
		if read.policy != nil {
			err = flat([]error{err, c.checkTaken(name)})
		}
		if err != nil {
			bad[name] = err
			continue
		}
		more.policies[name] = read.policy
		more.users[userFile(name)] = read.module
	}
	c.shared.users.trim(len(modules))
	return more, bad
}

// UserFile is the prefix of a user's policy's module name in errors; the Policy's name follows.
const UserFile = "Policy/"

// userFile returns the module name of a user's policy in errors.
func userFile(name string) string { return UserFile + name }

// UserPackage returns the package that a user's policy must be in.
func UserPackage(name string) string { return userRoot + "." + strings.ReplaceAll(name, "-", "_") }

// PackageOf returns the package of a module, such as taffrail.user.no_host_network. Its errors are like those
// of With.
func PackageOf(file, source string) (string, error) {
	module, err := parse(file, source)
	if err != nil {
		return "", sourceErrors(err)
	}
	return packageOf(module), nil
}

// userPath returns UserPackage as a path in data. In the text of a path, segments that are keywords, such as
// contains, are in brackets.
func userPath(name string) ast.Ref {
	path := ast.Ref{ast.DefaultRootDocument}
	for segment := range strings.SplitSeq(UserPackage(name), ".") {
		path = append(path, ast.StringTerm(segment))
	}
	return path
}

func (c *Catalog) readUserModule(name, source string) userModule {
	file := userFile(name)
	fail := func(err error) userModule { return userModule{err: err} }
	if reasons := validation.IsDNS1035Label(name); len(reasons) > 0 {
		return fail(&SourceError{File: file, Code: codeName, Reason: "the name becomes part of a package, so it must be " +
			"lower case letters, digits and hyphens, 63 at most, a letter first and no hyphen last"})
	}
	if len(source) > sandbox.MaxSource {
		return fail(&SourceError{File: file, Code: CodeSize, Reason: fmt.Sprintf("is %d bytes long, but only %d are allowed", len(source), sandbox.MaxSource)})
	}
	module, err := parse(file, source)
	if err != nil {
		return fail(sourceErrors(err))
	}
	if !module.Package.Path.Equal(userPath(name)) {
		return fail(&SourceError{File: file, Row: module.Package.Location.Row, Code: codePackage,
			Reason: fmt.Sprintf("the package is %s: the policy %s must be in package %s", packageOf(module), name, UserPackage(name))})
	}
	// Report all other faults together.
	policy, err := newPolicy(module, file, true)
	compiler, unsound := c.checkUserModule(file, module)
	faults := []error{err, checkNegation(module, file), unsound}
	if policy != nil {
		if policy.ID != name {
			faults = append(faults, &MetadataError{File: file, Field: "custom.id", Reason: fmt.Sprintf("is %s, but the Policy is named %s", policy.ID, name)})
		}
		faults = append(faults, policy.readRules(module, file))
		modules := append(slices.Collect(maps.Values(c.helpersOf(module))), module)
		reads := readsOf(modules)
		policy.completeKinds(reads)
		policy.completeFacts(modules)
		policy.readsCredentials = reads.credentials
		var compiled *ast.Module
		if compiler != nil {
			compiled = compiler.Modules[file]
			planUser(compiler, policy)
		}
		policy.byID = policy.readsByID(compiled)
		policy.own = &ownUnit{compile: sync.OnceValues(func() (*unit, error) { return c.compileUser(policy, module) })}
	}
	return userModule{policy: policy, module: module, err: flat(faults)}
}

func (c *Catalog) checkTaken(name string) error {
	if _, taken := c.policies[name]; taken {
		return &MetadataError{File: userFile(name), Field: "custom.id", Reason: fmt.Sprintf("%s is already the id of another policy: choose a different name", name)}
	}
	return nil
}

// ownUnit compiles a user's Policy, alone, when it is first evaluated.
type ownUnit struct {
	compile func() (*unit, error)
}

func (c *Catalog) compileUser(policy *Policy, module *ast.Module) (*unit, error) {
	u := newUnit(sandbox.NewEvaluator(), sandbox.Builtins())
	modules := c.helpersOf(module)
	modules[userFile(policy.ID)] = module
	if u.compiler.Compile(modules); u.compiler.Failed() {
		return nil, u.compiler.Errors
	}
	u.code = sandbox.NewCode(u.compiler.Modules)
	return u, u.addAlone(policy)
}

// flat returns the errors that errs join, in one list.
func flat(errs []error) error {
	var all []error
	for _, err := range errs {
		all = append(all, Errors(err)...)
	}
	return errors.Join(all...)
}

// checkUserModule compiles the module together with the library modules that it uses, and returns the compiler.
func (c *Catalog) checkUserModule(file string, module *ast.Module) (*ast.Compiler, error) {
	modules := c.helpersOf(module)
	modules[file] = module
	var faults []sandbox.Fault
	compiler := sandbox.NewChecker(file, c.helpers(), &faults)
	if compiler.Compile(modules); !compiler.Failed() {
		return compiler, nil
	}
	if len(faults) > 0 {
		var all []error
		for _, fault := range faults {
			all = append(all, &SourceError{File: file, Row: fault.Row, Code: fault.Code, Reason: fault.Reason})
		}
		return nil, errors.Join(all...)
	}
	return nil, sourceErrors(compiler.Errors)
}

// helpers returns what users' policies may refer to, such as data.taffrail.lib.owners.controlled: true for a
// rule, false for a package.
func (c *Catalog) helpers() map[string]bool {
	known := map[string]bool{}
	for _, module := range c.modules {
		if pkg := packageOf(module); strings.HasPrefix(pkg, sandbox.Helpers+".") {
			known["data."+pkg] = false
			for _, rule := range module.Rules {
				known["data."+pkg+"."+string(rule.Head.Ref()[0].Value.(ast.Var))] = true
			}
		}
	}
	return known
}

// helpersOf returns the library modules that the given ones need. Compiling all the others as well would take
// most of the time.
func (c *Catalog) helpersOf(modules ...*ast.Module) map[string]*ast.Module {
	needed := map[string]*ast.Module{}
	for queue := modules; len(queue) > 0; queue = queue[1:] {
		need := func(ref ast.Ref) {
			prefix := packagePrefix(ref)
			if prefix == "" {
				return
			}
			for file, module := range c.modules {
				pkg := packageOf(module)
				if _, known := needed[file]; !known && (pkg == prefix || strings.HasPrefix(pkg, prefix+".") || strings.HasPrefix(prefix, pkg+".")) {
					needed[file] = module
					queue = append(queue, module)
				}
			}
		}
		ast.WalkRefs(queue[0], func(ref ast.Ref) bool {
			need(ref)
			return false
		})
		sandbox.WalkTerms(queue[0], func(term *ast.Term) {
			if ref, ok := term.Value.(ast.Ref); ok {
				need(ref)
			}
		})
	}
	return needed
}

// packagePrefix returns the constant prefix of a reference into the helpers, or "" for other references.
func packagePrefix(ref ast.Ref) string {
	constant := strings.TrimPrefix(ref.ConstantPrefix().String(), "data.")
	if constant == sandbox.Helpers || constant == libraryRoot || strings.HasPrefix(constant, sandbox.Helpers+".") {
		return constant
	}
	return ""
}
