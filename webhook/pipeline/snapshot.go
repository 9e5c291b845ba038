package pipeline

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
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/engine"
	"taffrail.dev/webhook/guardrail"
)

// Snapshot is a compiled configuration. It is immutable, safe for concurrent use, and
// a pure function of the catalogue and the Guardrails: two replicas that see the same
// objects decide the same.
type Snapshot struct {
	id         string
	guardrails guardrail.Set
	exemptions guardrail.Exemptions
	program    *engine.Program
	bindings   int
}

// Problem is what is wrong with one Guardrail.
type Problem struct {
	Guardrail string
	Errors    field.ErrorList
	// Inactive is true where nothing of the Guardrail is in force. Otherwise every
	// binding that has no error of its own is.
	Inactive bool
}

// Build compiles Guardrails. A binding that is wrong is left out and reported, and the
// others hold: a typing error in one must not switch off a whole Guardrail. The error
// is not nil only where the policies themselves do not compile.
func Build(ctx context.Context, catalog *engine.Catalog, guardrails []v1alpha1.Guardrail) (*Snapshot, []Problem, error) {
	b := builder{catalog: catalog, index: map[string]int{}}
	sorted := slices.SortedFunc(slices.Values(guardrails), func(a, b v1alpha1.Guardrail) int { return strings.Compare(a.Name, b.Name) })
	for i := range sorted {
		b.add(&sorted[i])
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	program, err := engine.Compile(catalog, b.slots)
	if err != nil {
		return nil, nil, fmt.Errorf("compiling policies: %w", err)
	}
	bindings := 0
	for _, g := range b.set {
		bindings += len(g.Bindings)
	}
	return &Snapshot{id: identity(sorted), guardrails: b.set, program: program, bindings: bindings}, b.problems, nil
}

// ID is a short hash of the Guardrails' specs: equal on replicas that decide alike.
func (s *Snapshot) ID() string { return s.id }

// Guardrails counts those in force.
func (s *Snapshot) Guardrails() int { return len(s.guardrails) }

// Bindings counts the policies bound by all Guardrails in force.
func (s *Snapshot) Bindings() int { return s.bindings }

func identity(guardrails []v1alpha1.Guardrail) string {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	for i := range guardrails {
		// Encoding to a hash cannot fail: the types hold nothing that JSON lacks.
		_ = encoder.Encode([]any{guardrails[i].Name, guardrails[i].Spec})
	}
	return hex.EncodeToString(hash.Sum(nil))[:12]
}

type builder struct {
	catalog  *engine.Catalog
	slots    []engine.Slot
	index    map[string]int // of slots, by config.Binding's key
	set      guardrail.Set
	problems []Problem
}

func (b *builder) add(g *v1alpha1.Guardrail) {
	resolved, errs := config.Resolve(g, b.catalog)
	compiled, err := b.compile(g, resolved)
	if err != nil {
		errs = append(errs, field.Invalid(field.NewPath("spec", "namespaceSelector"), "", err.Error()))
	}
	if compiled != nil {
		b.set = append(b.set, compiled)
	}
	if len(errs) > 0 {
		b.problems = append(b.problems, Problem{Guardrail: g.Name, Errors: errs, Inactive: compiled == nil})
	}
}

// compile returns nil where nothing of the Guardrail can be in force.
func (b *builder) compile(g *v1alpha1.Guardrail, resolved config.Resolved) (*guardrail.Guardrail, error) {
	if !resolved.Usable || len(resolved.Bindings) == 0 {
		return nil, nil
	}
	bindings := make([]guardrail.Binding, 0, len(resolved.Bindings))
	for i := range resolved.Bindings {
		binding := &resolved.Bindings[i]
		bindings = append(bindings, guardrail.Binding{Policy: binding.Policy, Slot: b.slot(binding), Mode: binding.Mode})
	}
	return guardrail.New(g, bindings)
}

// slot gives equal parameters of one policy the same slot: they are evaluated once.
func (b *builder) slot(binding *config.Binding) int {
	if i, known := b.index[binding.Key]; known {
		return i
	}
	b.index[binding.Key] = len(b.slots)
	b.slots = append(b.slots, engine.Slot{Policy: binding.Policy.ID, Parameters: binding.Parameters})
	return b.index[binding.Key]
}
