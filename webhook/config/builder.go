package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/rego"
)

// Problem holds the errors of one configuration object.
type Problem struct {
	// Kind is KindGuardrail, KindExemption or KindPolicy; Name is the object's name.
	Kind, Name string
	Errors     field.ErrorList
	// Inactive is true if no part of the object is in force. Otherwise these are: of a
	// Guardrail, every binding without an error of its own; of an Exemption, every policy that
	// exists; of a Policy, the last good spec.
	Inactive bool
}

// Builder compiles successive configurations and recompiles only what has changed: most changes
// concern who is covered, not which policies are evaluated. It is not safe for concurrent use.
type Builder struct {
	library *rego.Catalog

	modules   string // fingerprint of the input of policies
	policies  Policies
	instances string // fingerprint of the input of program
	program   *rego.Program
}

// NewBuilder returns a Builder that adds to the library's policies.
func NewBuilder(library *rego.Catalog) *Builder { return &Builder{library: library} }

// Build compiles a configuration with a new Builder.
func Build(ctx context.Context, library *rego.Catalog, objects Objects) (*Snapshot, []Problem, error) {
	return NewBuilder(library).Build(ctx, objects)
}

// Build compiles a configuration. Invalid parts are left out and reported; the valid parts stay
// in force, because a typing error in one binding must not switch off a whole Guardrail. It
// returns an error only if the policies do not compile together, or ctx has ended.
func (b *Builder) Build(ctx context.Context, objects Objects) (*Snapshot, []Problem, error) {
	objects.Guardrails = sortedByName(objects.Guardrails, func(g *v1alpha1.Guardrail) string { return g.Name })
	objects.Exemptions = sortedByName(objects.Exemptions, func(e *v1alpha1.Exemption) string { return e.Name })
	objects.Policies = sortedByName(objects.Policies, func(p *v1alpha1.Policy) string { return p.Name })
	policies := b.resolvePolicies(objects.Policies)
	made := build{policies: policies, index: map[string]int{}}
	for i := range objects.Policies {
		made.reportPolicy(objects.Policies[i].Name)
	}
	for i := range objects.Guardrails {
		made.addGuardrail(&objects.Guardrails[i])
	}
	for i := range objects.Exemptions {
		made.addExemption(&objects.Exemptions[i])
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	program, err := b.compile(&made)
	if err != nil {
		return nil, nil, fmt.Errorf("compiling policies: %w", err)
	}
	bindings, versions := 0, make(map[string]Version, len(made.set))
	for _, g := range made.set {
		bindings += len(g.Bindings)
		versions[g.Name] = Version{UID: g.UID, Generation: g.Generation}
	}
	return &Snapshot{
		id: configurationID(&objects), catalog: policies.Catalog, guardrails: made.set, exemptions: made.exemptions, program: program, bindings: bindings,
		versions: versions, parameters: made.encodedParameters(), keys: made.keys, sources: policySources(objects.Policies),
	}, made.problems, nil
}

func sortedByName[T any](objects []T, name func(*T) string) []T {
	return slices.SortedFunc(slices.Values(objects), func(a, b T) int { return strings.Compare(name(&a), name(&b)) })
}

func (b *Builder) resolvePolicies(policies []v1alpha1.Policy) Policies {
	modules := configurationID(&Objects{Policies: policies})
	if b.modules != modules {
		b.policies = ResolvePolicies(policies, b.library)
		b.modules, b.instances = modules, ""
	}
	return b.policies
}

func (b *Builder) compile(made *build) (*rego.Program, error) {
	instances := strings.Join(made.keys, "\x00")
	if b.program == nil || b.instances != instances {
		program, err := rego.Compile(made.policies.Catalog, made.instances)
		if err != nil {
			return nil, err
		}
		b.program, b.instances = program, instances
	}
	return b.program, nil
}

// configurationID returns a hash of everything that decisions depend on: names, specs, the
// creation time of Exemptions, the last good spec of Policies, and the injection record of
// Guardrails.
func configurationID(o *Objects) string {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	// Encoding to a hash cannot fail: every field of these types has a JSON form.
	for i := range o.Guardrails {
		_ = encoder.Encode([]any{KindGuardrail, o.Guardrails[i].Name, o.Guardrails[i].Spec, o.Guardrails[i].Status.Injection})
	}
	for i := range o.Exemptions {
		_ = encoder.Encode([]any{KindExemption, o.Exemptions[i].Name, o.Exemptions[i].Spec, o.Exemptions[i].CreationTimestamp})
	}
	for i := range o.Policies {
		var last *v1alpha1.PolicySpec
		if good := o.Policies[i].Status.LastGood; good != nil && good.Spec != o.Policies[i].Spec {
			last = &good.Spec
		}
		_ = encoder.Encode([]any{KindPolicy, o.Policies[i].Name, o.Policies[i].Spec, last})
	}
	return hex.EncodeToString(hash.Sum(nil))[:12]
}

// policySources returns a hash of what is compiled of each Policy, by name.
func policySources(policies []v1alpha1.Policy) map[string]string {
	sources := make(map[string]string, len(policies))
	for i := range policies {
		sources[policies[i].Name] = configurationID(&Objects{Policies: policies[i : i+1]})
	}
	return sources
}

// build is the state of one Builder.Build.
type build struct {
	policies   Policies
	instances  []rego.Instance
	keys       []string       // ResolvedBinding.Key of each instance
	index      map[string]int // index of instances by key
	set        Guardrails
	exemptions Exemptions
	problems   []Problem
}

func (b *build) report(kind, name string, errs field.ErrorList, inactive bool) {
	if len(errs) > 0 {
		b.problems = append(b.problems, Problem{Kind: kind, Name: name, Errors: errs, Inactive: inactive})
	}
}

func (b *build) reportPolicy(name string) {
	b.report(KindPolicy, name, b.policies.Errors[name], !b.policies.LastGood[name])
}

func (b *build) addGuardrail(g *v1alpha1.Guardrail) {
	resolved, errs := Resolve(g, b.policies.Catalog)
	compiled, err := b.compile(g, resolved)
	if err != nil {
		errs = append(errs, field.Invalid(field.NewPath("spec", "namespaceSelector"), "", err.Error()))
	}
	if compiled != nil {
		b.set = append(b.set, compiled)
	}
	b.report(KindGuardrail, g.Name, errs, compiled == nil)
}

func (b *build) addExemption(e *v1alpha1.Exemption) {
	resolved, errs := ResolveExemption(e, b.policies.Catalog)
	if resolved != nil {
		b.exemptions = append(b.exemptions, resolved)
	}
	b.report(KindExemption, e.Name, errs, resolved == nil)
}

// compile returns nil if no part of the Guardrail can be in force.
func (b *build) compile(g *v1alpha1.Guardrail, resolved Resolved) (*Guardrail, error) {
	if !resolved.Usable || len(resolved.Bindings) == 0 {
		return nil, nil
	}
	bindings := make([]Binding, 0, len(resolved.Bindings))
	for i := range resolved.Bindings {
		binding := &resolved.Bindings[i]
		bindings = append(bindings, Binding{
			Policy: binding.Policy, Instance: b.instance(binding), Mode: binding.Mode, ModePinned: binding.ModePinned,
			FailOpen: b.failsOpen(binding),
		})
	}
	compiled, err := NewGuardrail(g, bindings)
	if err != nil {
		return nil, err
	}
	compiled.Injection = NewInjection(g, b.periods(g))
	return compiled, nil
}

// failsOpen reports whether a binding admits objects on which its policy fails.
func (b *build) failsOpen(binding *ResolvedBinding) bool {
	if binding.FailurePolicy != "" {
		return binding.FailurePolicy == v1alpha1.PolicyFailureIgnore
	}
	return b.policies.FailOpen[binding.Policy.ID]
}

// instance returns the same instance for equal parameters of a policy, which is then evaluated once.
func (b *build) instance(binding *ResolvedBinding) int {
	if i, known := b.index[binding.Key]; known {
		return i
	}
	b.index[binding.Key] = len(b.instances)
	b.instances = append(b.instances, rego.Instance{
		Policy: binding.Policy.ID, Parameters: binding.Parameters, Budget: b.policies.Budgets[binding.Policy.ID],
	})
	b.keys = append(b.keys, binding.Key)
	return b.index[binding.Key]
}

// GuardrailsOf returns the valid parts of the Guardrails, sorted by name, without compiling
// their policies.
func GuardrailsOf(guardrails []v1alpha1.Guardrail, policies Policies) Guardrails {
	made := build{policies: policies, index: map[string]int{}}
	guardrails = sortedByName(guardrails, func(g *v1alpha1.Guardrail) string { return g.Name })
	for i := range guardrails {
		made.addGuardrail(&guardrails[i])
	}
	return made.set
}
