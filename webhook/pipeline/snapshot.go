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
	"taffrail.dev/webhook/review"
)

// Snapshot is a compiled configuration. It is immutable, safe for concurrent use, and
// a pure function of the catalogue and the Guardrails: two replicas that see the same
// objects decide the same.
type Snapshot struct {
	id         string
	guardrails guardrail.Set
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

// WithoutRuleIndexing returns the same snapshot with OPA's rule indexer off, as an
// oracle for it.
func (s *Snapshot) WithoutRuleIndexing() *Snapshot {
	plain := *s
	plain.program = s.program.WithoutRuleIndexing()
	return &plain
}

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
	index    map[string]int // of slots, by policy and parameters
	set      guardrail.Set
	problems []Problem
}

func (b *builder) add(g *v1alpha1.Guardrail) {
	errs := config.Check(g, b.catalog)
	report := func(inactive bool) {
		if len(errs) > 0 {
			b.problems = append(b.problems, Problem{Guardrail: g.Name, Errors: errs, Inactive: inactive})
		}
	}
	if unusable(errs) {
		report(true)
		return
	}
	var bindings []guardrail.Binding
	for i := range g.Spec.Policies {
		place := field.NewPath("spec", "policies").Index(i)
		if concerns(errs, place) {
			continue
		}
		if binding, ok := b.bind(&g.Spec.Policies[i], g.Spec.Mode, place); ok {
			bindings = append(bindings, binding)
		}
	}
	compiled, err := guardrail.New(g, bindings)
	if err != nil {
		errs = append(errs, field.Invalid(field.NewPath("spec", "namespaceSelector"), "", err.Error()))
		report(true)
		return
	}
	if len(bindings) > 0 {
		b.set = append(b.set, compiled)
	}
	report(len(bindings) == 0)
}

// unusable tells whether it is not even known whom the Guardrail covers, or how.
func unusable(errs field.ErrorList) bool {
	return slices.ContainsFunc(errs, func(e *field.Error) bool {
		return strings.HasPrefix(e.Field, "spec.namespaceSelector") || e.Field == "spec.mode" || strings.HasPrefix(e.Field, "metadata")
	})
}

func concerns(errs field.ErrorList, place *field.Path) bool {
	return slices.ContainsFunc(errs, func(e *field.Error) bool {
		rest, ok := strings.CutPrefix(e.Field, place.String())
		return ok && (rest == "" || rest[0] == '.')
	})
}

func (b *builder) bind(p *v1alpha1.PolicyBinding, fallback v1alpha1.Mode, place *field.Path) (guardrail.Binding, bool) {
	policy, ok := b.catalog.Policy(p.Name)
	if !ok {
		return guardrail.Binding{}, false
	}
	parameters, bad := config.Parameters(p, policy, place.Child("parameters"))
	if len(bad) > 0 {
		return guardrail.Binding{}, false
	}
	named := p.Mode
	if named == "" {
		named = fallback
	}
	mode, err := review.ParseMode(string(named))
	if err != nil {
		return guardrail.Binding{}, false
	}
	return guardrail.Binding{Policy: policy, Slot: b.slot(policy.ID, parameters), Mode: mode}, true
}

// slot gives equal parameters of one policy the same slot: they are evaluated once.
func (b *builder) slot(policy string, parameters map[string]any) int {
	// Parameters are JSON by now; encoding them cannot fail, and sorts their names.
	encoded, _ := json.Marshal(parameters)
	key := policy + " " + string(encoded)
	if i, known := b.index[key]; known {
		return i
	}
	b.index[key] = len(b.slots)
	b.slots = append(b.slots, engine.Slot{Policy: policy, Parameters: parameters})
	return b.index[key]
}
