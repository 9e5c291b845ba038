package config

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// Binding is one policy asked for by one Guardrail, checked and ready.
type Binding struct {
	Policy *rego.Policy
	// Slot is the index of the policy and its parameters in the rego.Program.
	Slot int
	Mode decision.Mode
	// ModePinned is true where the binding names a mode of its own below enforce: neither the
	// Guardrail's mode nor a ceiling, when they are raised, make it deny.
	ModePinned bool
	// FailOpen admits what the policy cannot decide, unless another policy denies it.
	FailOpen bool
}

// Guardrail is a v1alpha1.Guardrail with its selector parsed and its policies found.
type Guardrail struct {
	Name     string
	Bindings []Binding
	// UID and Generation are those of the stored object; empty for one from a file.
	UID        types.UID
	Generation int64
	// Injection is what is recorded of the Guardrail's injections; nil if nothing is.
	Injection *Injection

	selector labels.Selector
	exclude  []string
	tolerate bool
	trusted  v1alpha1.TrustedWriters
	limits   limits
}

// NewGuardrail makes a Guardrail from one that has been checked. The error is that of a
// selector which does not parse.
func NewGuardrail(g *v1alpha1.Guardrail, bindings []Binding) (*Guardrail, error) {
	selector := labels.Everything()
	if g.Spec.NamespaceSelector != nil {
		var err error
		if selector, err = metav1.LabelSelectorAsSelector(g.Spec.NamespaceSelector); err != nil {
			return nil, err
		}
	}
	return &Guardrail{
		Name:       g.Name,
		Bindings:   bindings,
		UID:        g.UID,
		Generation: g.Generation,
		selector:   selector,
		exclude:    g.Spec.ExcludeNamespaces,
		tolerate:   g.Spec.Existing != v1alpha1.ExistingEnforce,
		trusted:    g.Spec.TrustedWriters,
		limits:     newLimits(g.Spec.Exemptions),
	}, nil
}

// Guardrails is every Guardrail in force, sorted by name. It is immutable.
type Guardrails []*Guardrail

// AppliedBinding is a binding that applies to one request.
type AppliedBinding struct {
	Binding
	Guardrail *Guardrail
	// Uncertain is true where the labels that the Guardrail selects by are not known.
	Uncertain bool
	// Distrusted is true where nobody is trusted, be it a built-in controller: what it writes
	// is from a place that was not decided.
	Distrusted bool
}

// Resolve finds the bindings for a request, each under the ceiling; 0 is no ceiling.
// Every one of them must hold.
func (s Guardrails) Resolve(r *decision.Request, ceiling decision.Mode) []AppliedBinding {
	var bounds []AppliedBinding
	kind := r.Kind.GroupKind()
	for _, g := range s {
		matches, certain := g.selects(r)
		if !matches {
			continue
		}
		for _, b := range g.Bindings {
			if !slices.Contains(b.Policy.Kinds, kind) {
				continue
			}
			if ceiling != 0 {
				b.Mode = min(b.Mode, ceiling)
			}
			bounds = append(bounds, AppliedBinding{Binding: b, Guardrail: g, Uncertain: !certain})
		}
	}
	return bounds
}

// selects tells whether the Guardrail covers the request's namespace, and whether that
// is certain. A Namespace is matched by its own labels. Other cluster-scoped objects
// are in no namespace that could carry a label: only the empty selector covers them.
func (g *Guardrail) selects(r *decision.Request) (matches, certain bool) {
	namespace := r.Namespace
	if r.Kind.GroupKind() == (schema.GroupKind{Kind: "Namespace"}) {
		namespace = NamespaceOf(r.Name, r.Object)
	}
	return g.selectsNamespace(namespace)
}

func (g *Guardrail) selectsNamespace(namespace decision.Namespace) (matches, certain bool) {
	if slices.Contains(g.exclude, namespace.Name) && namespace.Name != "" {
		return false, true
	}
	if g.selector.Empty() {
		return true, true
	}
	if namespace.Name == "" {
		return false, true
	}
	if !namespace.Known && g.SelectsByLabels() {
		return true, false
	}
	return g.selector.Matches(namespaceLabels(namespace)), true
}

// SelectsByLabels reports whether it depends on the labels of a namespace whether the
// Guardrail selects it, and not on its name alone.
func (g *Guardrail) SelectsByLabels() bool {
	requirements, _ := g.selector.Requirements()
	return slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return r.Key() != corev1.LabelMetadataName })
}

// namespaceLabels are a namespace's labels, with the name that a manifest leaves to
// the API server.
type namespaceLabels decision.Namespace

// Has implements labels.Labels.
func (n namespaceLabels) Has(label string) bool {
	_, ok := n.Lookup(label)
	return ok
}

// Get implements labels.Labels.
func (n namespaceLabels) Get(label string) string {
	value, _ := n.Lookup(label)
	return value
}

// Lookup implements labels.Labels.
func (n namespaceLabels) Lookup(label string) (string, bool) {
	if label == corev1.LabelMetadataName {
		return n.Name, true
	}
	value, ok := n.Labels[label]
	return value, ok
}

// NamespaceOf is what a Namespace object says of itself.
func NamespaceOf(name string, object map[string]any) decision.Namespace {
	return decision.Namespace{Name: name, Labels: objectLabels(object), Known: true}
}

func objectLabels(object map[string]any) map[string]string {
	metadata, _ := object["metadata"].(map[string]any)
	values, _ := metadata["labels"].(map[string]any)
	found := make(map[string]string, len(values))
	for name, value := range values {
		if text, ok := value.(string); ok {
			found[name] = text
		}
	}
	return found
}
