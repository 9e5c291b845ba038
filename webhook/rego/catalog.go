package rego

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

const (
	// libraryRoot is the package of the library's root folder.
	libraryRoot = "taffrail"
	// userRoot is the package that contains the packages of all users' Policies.
	userRoot = "taffrail.user"
	// entryRoot is the package of the rules that a Program generates.
	entryRoot = "taffrail.entry"
)

// DefaultGuardrail names one of the built-in Guardrails, which apply when none is configured.
type DefaultGuardrail string

const (
	// GuardrailChapter covers every namespace except those of the cluster itself.
	GuardrailChapter DefaultGuardrail = "chapter"
	// GuardrailRestricted covers only namespaces that opt in. It binds the policies that would reject ordinary
	// workloads.
	GuardrailRestricted DefaultGuardrail = "restricted"
)

// Policy describes one policy of the catalog, as read from its METADATA.
type Policy struct {
	ID          string
	Title       string
	Description string
	Severity    decision.Severity
	// Section is the section of the chapter that requires the policy.
	Section string
	// Kinds lists the kinds in METADATA, followed by Completed.
	Kinds []schema.GroupKind
	// Completed lists the kinds that completeKinds adds to those in METADATA.
	Completed   []schema.GroupKind
	DefaultMode decision.Mode
	// DefaultGuardrail is the built-in Guardrail that binds the policy.
	DefaultGuardrail DefaultGuardrail
	Remediation      string
	// Facts lists what the policy needs to know besides the object: the facts in METADATA, followed by
	// CompletedFacts.
	Facts []decision.Fact
	// CompletedFacts lists the facts that completeFacts adds to those in METADATA.
	CompletedFacts []decision.Fact
	// Parameters is sorted by name.
	Parameters []Parameter
	// Package is the Rego package, such as taffrail.images.image_tag.
	Package string
	// Validates and Mutates report whether the package defines deny and inject.
	Validates bool
	Mutates   bool
	// User reports whether the policy comes from a Policy object. No built-in Guardrail binds such a policy,
	// and if it cannot be evaluated, the failurePolicy of its Policy object decides the request.
	User bool

	schema *parameterSchema
	// asWritten reports whether METADATA sets complete_kinds to false.
	asWritten bool
	// ignoresControlled reports whether METADATA sets ignores_controlled to true: the policy finds nothing in an object
	// that has a controlling owner.
	ignoresControlled bool
	// readsPods reports whether the rules read the Pod of a workload.
	readsPods bool
	// readsCredentials reports whether the rules may read what the credential scanner finds.
	readsCredentials bool
	own              *ownUnit // compiled when first evaluated; nil for the library
	// plan returns what the policy is compiled from; programs are the results, by parameters.
	plan     func() (*compile.Plan, error)
	programs *programCache
	// byID is the first line of a user's Policy that reads its parameters under the policy's own id, or 0.
	byID int
}

// CheckParameters returns the given parameters with defaults filled in. Errors locate the parameters at the
// path at.
func (p *Policy) CheckParameters(given map[string]any, at *field.Path) (map[string]any, field.ErrorList) {
	return p.schema.apply(given, at)
}

// Catalog holds all known policies. Apart from its cache of compiled policies it is immutable. It is safe for
// concurrent use.
type Catalog struct {
	policies map[string]*Policy
	// modules are the library's modules, users the modules of users' Policies.
	modules map[string]*ast.Module
	users   map[string]*ast.Module
	// engine evaluates the programs that are made from the catalog.
	engine Engine
	shared *shared
}

// shared is what a catalog has in common with the catalogs that With derives from it.
type shared struct {
	users               *userCache
	turns, libraryTurns sandbox.Turns
	// library compiles all policies of the library on its first call.
	library  func() (*unit, error)
	machines compile.Machines
}

func (c *Catalog) share() {
	c.shared = &shared{
		users: newUserCache(), turns: sandbox.NewTurns(), libraryTurns: sandbox.NewTurns(),
		library: sync.OnceValues(c.compileLibrary),
	}
}

// Load reads a library: every .rego file except tests. It fails if a policy's METADATA is incomplete or has an
// unknown field, if a package does not match its path, or if a module does not compile.
func Load(library fs.FS) (*Catalog, error) {
	c := &Catalog{policies: map[string]*Policy{}, modules: map[string]*ast.Module{}, engine: EngineCompiled}
	c.share()
	err := fs.WalkDir(library, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(file) != ".rego" || strings.HasSuffix(file, "_test.rego") {
			return err
		}
		source, err := fs.ReadFile(library, file)
		if err != nil {
			return err
		}
		return c.addLibraryModule(file, string(source))
	})
	if err != nil {
		return nil, err
	}
	return c, c.complete()
}

func (c *Catalog) addLibraryModule(file, source string) error {
	module, err := parse(file, source)
	if err != nil {
		return err
	}
	if err := checkNegation(module, file); err != nil {
		return err
	}
	folder := path.Dir(file)
	want := libraryRoot + "." + strings.ReplaceAll(folder, "/", ".")
	if got := packageOf(module); got != want {
		return fmt.Errorf("%s: the package is %s, but must be %s in its folder", file, got, want)
	}
	c.modules[file] = module
	if folder == "lib" || strings.HasPrefix(folder, "lib/") {
		return nil
	}
	policy, err := newPolicy(module, file, false)
	if err != nil {
		return err
	}
	if folderID := strings.ReplaceAll(path.Base(folder), "_", "-"); policy.ID != folderID {
		return &MetadataError{File: file, Field: "custom.id", Reason: fmt.Sprintf("is %s, but must be %s in its folder", policy.ID, folderID)}
	}
	return c.addPolicy(policy, module, file)
}

func (c *Catalog) addPolicy(policy *Policy, module *ast.Module, file string) error {
	if _, taken := c.policies[policy.ID]; taken {
		return &MetadataError{File: file, Field: "custom.id", Reason: fmt.Sprintf("%s is already the id of another policy", policy.ID)}
	}
	if err := policy.readRules(module, file); err != nil {
		return err
	}
	policy.readsCredentials = readsOf([]*ast.Module{module}).credentials
	c.policies[policy.ID] = policy
	return nil
}

// readRules records whether the policy defines deny, inject, or both.
func (p *Policy) readRules(module *ast.Module, file string) error {
	var faults []error
	for _, rule := range module.Rules {
		name := rule.Head.Ref().String()
		if name != "deny" && name != "inject" {
			continue
		}
		if rule.Head.RuleKind() != ast.MultiValue || len(rule.Head.Args) > 0 {
			faults = append(faults, &SourceError{File: file, Row: rule.Location.Row, Code: codeRule,
				Reason: fmt.Sprintf("%s must be a set: write `%s contains …`", name, name)})
		}
		p.Validates = p.Validates || name == "deny"
		p.Mutates = p.Mutates || name == "inject"
	}
	if !p.Validates && !p.Mutates {
		faults = append(faults, &SourceError{File: file, Code: codeRule, Reason: "defines neither deny nor inject"})
	}
	return errors.Join(faults...)
}

// complete compiles the library once, so that loading fails if any of it does not compile.
func (c *Catalog) complete() error {
	compiler := c.newLibraryCompiler()
	if compiler.Compile(c.modules); compiler.Failed() {
		return compiler.Errors
	}
	planLibrary(compiler, c.Policies())
	return nil
}

// Policies returns all policies, sorted by id.
func (c *Catalog) Policies() []*Policy {
	return slices.SortedFunc(maps.Values(c.policies), func(a, b *Policy) int { return strings.Compare(a.ID, b.ID) })
}

// Policy returns the policy with the given id.
func (c *Catalog) Policy(id string) (*Policy, bool) {
	policy, ok := c.policies[id]
	return policy, ok
}

// Only returns a catalog with just one policy and the helpers that it needs, which compiles faster than all
// of them. The catalog is empty if the policy does not exist.
func (c *Catalog) Only(id string) *Catalog {
	only := &Catalog{policies: map[string]*Policy{}, modules: map[string]*ast.Module{}, users: map[string]*ast.Module{}, engine: c.engine}
	only.share()
	policy, ok := c.policies[id]
	if !ok {
		return only
	}
	only.policies[id] = policy
	own := map[string]*ast.Module{}
	into := own
	from := c.modules
	if policy.User {
		into, from = only.users, c.users
	}
	for file, module := range from {
		if packageOf(module) == policy.Package {
			into[file] = module
		}
	}
	only.modules = c.helpersOf(slices.AppendSeq(slices.Collect(maps.Values(into)), maps.Values(own))...)
	maps.Copy(only.modules, own)
	return only
}

func parse(file, source string) (*ast.Module, error) {
	module, err := ast.ParseModuleWithOpts(file, source, ast.ParserOptions{
		ProcessAnnotation: true, RegoVersion: ast.RegoV1, Capabilities: sandbox.Capabilities(),
	})
	if err == nil && module == nil {
		err = &SourceError{File: file, Code: ast.ParseErr, Reason: "empty module"}
	}
	return module, err
}

// checkNegation rejects a Rego v1 trap: without the import, `not f(x.y)` is undefined instead of true if x.y is
// undefined, and the deny rule that contains it silently finds nothing.
func checkNegation(module *ast.Module, file string) error {
	var faults []error
	ast.WalkExprs(module, func(expr *ast.Expr) bool {
		if expr.Negated {
			faults = append(faults, &SourceError{File: file, Row: expr.Location.Row, Code: codeNegation,
				Reason: "`not` without `import future.keywords.not` is undefined where its argument is: import it"})
		}
		return false
	})
	return errors.Join(faults...)
}

func packageOf(module *ast.Module) string {
	return strings.TrimPrefix(module.Package.Path.String(), "data.")
}
