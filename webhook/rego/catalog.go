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
	"taffrail.dev/webhook/rego/sandbox"
)

const (
	// libraryRoot is the package of the library's root folder.
	libraryRoot = "taffrail"
	// userRoot is the package under which every policy of a user's own lives.
	userRoot = "taffrail.user"
	// entryRoot is where a Program puts the rules that it generates.
	entryRoot = "taffrail.entry"
)

// DefaultGuardrail is one of the Guardrails that hold where nobody configured any.
type DefaultGuardrail string

const (
	// GuardrailChapter covers every namespace but the cluster's own.
	GuardrailChapter DefaultGuardrail = "chapter"
	// GuardrailRestricted covers the namespaces that ask for it: for policies that
	// would break ordinary ones.
	GuardrailRestricted DefaultGuardrail = "restricted"
)

// Policy is one policy of the catalogue, as its METADATA describes it.
type Policy struct {
	ID          string
	Title       string
	Description string
	Severity    decision.Severity
	// Section of the chapter that asks for it.
	Section string
	// Kinds are those of METADATA and, behind them, Completed.
	Kinds []schema.GroupKind
	// Completed are the kinds that METADATA leaves out and that the policy is about all the
	// same: see completeKinds.
	Completed   []schema.GroupKind
	DefaultMode decision.Mode
	// DefaultGuardrail is the built-in Guardrail that binds it.
	DefaultGuardrail DefaultGuardrail
	Remediation      string
	// Facts beside the object that the policy rests on.
	Facts []decision.Fact
	// Parameters are sorted by name.
	Parameters []Parameter
	// Package is the Rego package, as in taffrail.images.image_tag.
	Package string
	// Validates and Mutates tell whether the package defines deny and inject.
	Validates bool
	Mutates   bool
	// User is true for a policy of a user's own. No built-in Guardrail binds it, and where
	// it cannot be evaluated, its Policy object says what becomes of the request.
	User bool

	schema *parameterSchema
	// asWritten is METADATA's complete_kinds: false.
	asWritten bool
	// readsPods is true if the rules read the Pod of a workload.
	readsPods bool
	// readsCredentials is true if the rules read, or may read, what the scanner finds.
	readsCredentials bool
	own              *ownUnit // of a user's Policy
	// byID is the first line of a user's Policy that reads its parameters under its own id; 0 if none does.
	byID int
}

// CheckParameters returns the parameters that the policy will see, defaults filled in.
// at is the place of the parameters in the configuration, for the errors.
func (p *Policy) CheckParameters(given map[string]any, at *field.Path) (map[string]any, field.ErrorList) {
	return p.schema.apply(given, at)
}

// Catalog is every policy there is. It is immutable but for what it remembers to have compiled, and
// safe for concurrent use.
type Catalog struct {
	policies map[string]*Policy
	// modules are the library's, users those of users' own policies.
	modules map[string]*ast.Module
	users   map[string]*ast.Module
	shared  *shared
}

// shared is what a catalogue shares with every one that With makes of it.
type shared struct {
	users *userCache
	turns sandbox.Turns
	// library compiles all of the library's policies, once.
	library func() (*unit, error)
}

func (c *Catalog) share() {
	c.shared = &shared{
		users: newUserCache(), turns: sandbox.NewTurns(),
		library: sync.OnceValues(c.compileLibrary),
	}
}

// Load reads a library: every .rego file but the tests. It fails on a policy whose
// METADATA is incomplete or has a field it does not know, whose package is not its
// path, or that does not compile.
func Load(library fs.FS) (*Catalog, error) {
	c := &Catalog{policies: map[string]*Policy{}, modules: map[string]*ast.Module{}}
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

// readRules finds out whether the policy validates, mutates, or does both.
func (p *Policy) readRules(module *ast.Module, file string) error {
	var faults []error
	for _, rule := range module.Rules {
		name := rule.Head.Ref().String()
		if name != "deny" && name != "inject" {
			continue
		}
		if rule.Head.RuleKind() != ast.MultiValue || len(rule.Head.Args) > 0 {
			faults = append(faults, &SourceError{File: file, Row: rule.Location.Row, Code: CodeRule,
				Reason: fmt.Sprintf("%s must be a set: write `%s contains …`", name, name)})
		}
		p.Validates = p.Validates || name == "deny"
		p.Mutates = p.Mutates || name == "inject"
	}
	if !p.Validates && !p.Mutates {
		faults = append(faults, &SourceError{File: file, Code: CodeRule, Reason: "defines neither deny nor inject"})
	}
	return errors.Join(faults...)
}

// complete compiles everything once, so that what does not compile is known now.
func (c *Catalog) complete() error {
	compiler := c.newLibraryCompiler()
	if compiler.Compile(c.modules); compiler.Failed() {
		return compiler.Errors
	}
	return nil
}

// Policies returns every policy, sorted by id.
func (c *Catalog) Policies() []*Policy {
	return slices.SortedFunc(maps.Values(c.policies), func(a, b *Policy) int { return strings.Compare(a.ID, b.ID) })
}

// Policy finds a policy by its id.
func (c *Catalog) Policy(id string) (*Policy, bool) {
	policy, ok := c.policies[id]
	return policy, ok
}

// Only returns a catalogue that has one of the policies, and the helpers that it needs: it
// compiles faster than all of them. Nothing is in it where there is no such policy.
func (c *Catalog) Only(id string) *Catalog {
	only := &Catalog{policies: map[string]*Policy{}, modules: map[string]*ast.Module{}, users: map[string]*ast.Module{}}
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

// checkNegation refuses the negation of Rego v1 as it is without its import: `not f(x.y)`
// is then undefined where x.y is, instead of true, and a deny rule says nothing.
func checkNegation(module *ast.Module, file string) error {
	var faults []error
	ast.WalkExprs(module, func(expr *ast.Expr) bool {
		if expr.Negated {
			faults = append(faults, &SourceError{File: file, Row: expr.Location.Row, Code: CodeNegation,
				Reason: "`not` without `import future.keywords.not` is undefined where its argument is: import it"})
		}
		return false
	})
	return errors.Join(faults...)
}

func packageOf(module *ast.Module) string {
	return strings.TrimPrefix(module.Package.Path.String(), "data.")
}
