package config

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// Binding is a validated policy binding of one Guardrail.
type Binding struct {
	Policy *rego.Policy
	// Instance is the index of the policy and its parameters in the rego.Program.
	Instance int
	Mode     decision.Mode
	// ModePinned is true if the binding sets its own mode, below enforce: raising the
	// Guardrail's mode or the maximum mode does not make it deny.
	ModePinned bool
	// FailOpen admits objects on which the policy fails, unless another policy denies them.
	FailOpen bool
}

// Guardrail is a v1alpha1.Guardrail with its selector parsed and its policies resolved.
type Guardrail struct {
	Name     string
	Bindings []Binding
	// UID and Generation are those of the stored object, and empty for a Guardrail from a file.
	UID        types.UID
	Generation int64
	// Injection is the recorded history of the Guardrail's injections, or nil.
	Injection *Injection

	selector         labels.Selector
	exclude          []string
	tolerateExisting bool
	trusted          v1alpha1.TrustedWriters
	limits           limits
}

// NewGuardrail returns the compiled form of a validated Guardrail. It returns an error if the
// selector does not parse.
func NewGuardrail(g *v1alpha1.Guardrail, bindings []Binding) (*Guardrail, error) {
	selector := labels.Everything()
	if g.Spec.NamespaceSelector != nil {
		var err error
		if selector, err = metav1.LabelSelectorAsSelector(g.Spec.NamespaceSelector); err != nil {
			return nil, err
		}
	}
	return &Guardrail{
		Name:             g.Name,
		Bindings:         bindings,
		UID:              g.UID,
		Generation:       g.Generation,
		selector:         selector,
		exclude:          g.Spec.ExcludeNamespaces,
		tolerateExisting: g.Spec.Existing != v1alpha1.ExistingEnforce,
		trusted:          g.Spec.TrustedWriters,
		limits:           newLimits(g.Spec.Exemptions),
	}, nil
}

// Guardrails has every Guardrail in force, sorted by name. It is immutable.
type Guardrails []*Guardrail

// AppliedBinding is a binding that applies to one request.
type AppliedBinding struct {
	Binding
	Guardrail *Guardrail
	// Uncertain is true if the Guardrail selects by labels of a namespace whose labels are
	// unknown.
	Uncertain bool
	// Distrusted is true if no writer is trusted, not even a built-in controller, because the
	// content comes from a source that was not decided.
	Distrusted bool
}

// Resolve returns the bindings that apply to a request, with their modes capped at maxMode; 0
// means no cap. All of them have to be satisfied.
func (s Guardrails) Resolve(r *decision.Request, maxMode decision.Mode) []AppliedBinding {
	var bindings []AppliedBinding
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
			b.Mode = capMode(maxMode, b.Mode)
			bindings = append(bindings, AppliedBinding{Binding: b, Guardrail: g, Uncertain: !certain})
		}
	}
	return bindings
}

// capMode returns the mode, capped at maxMode; 0 means no cap.
func capMode(maxMode, mode decision.Mode) decision.Mode {
	if maxMode == 0 {
		return mode
	}
	return min(mode, maxMode)
}

// selects reports whether the Guardrail selects the request's namespace, and whether that is
// certain. A Namespace is matched by its own labels. Other cluster-scoped objects have no
// namespace with labels, so only the empty selector matches them.
func (g *Guardrail) selects(r *decision.Request) (matches, certain bool) {
	return g.selectsNamespace(selectedNamespace(r))
}

// selectedNamespace returns the namespace that selectors are compared with.
func selectedNamespace(r *decision.Request) decision.Namespace {
	if r.IsNamespace() {
		return NamespaceOf(r.Name, r.Object)
	}
	return r.Namespace
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

// SelectsByLabels reports whether the selector refers to any label other than the namespace's
// name.
func (g *Guardrail) SelectsByLabels() bool {
	requirements, _ := g.selector.Requirements()
	return slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return r.Key() != corev1.LabelMetadataName })
}

// namespaceLabels adds to a namespace's labels the one with its name, which the API server sets
// and manifests omit.
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

// NamespaceOf returns the namespace that a Namespace object describes.
func NamespaceOf(name string, object map[string]any) decision.Namespace {
	return decision.Namespace{Name: name, Labels: objectLabels(object), Known: true}
}

func objectLabels(object map[string]any) map[string]string {
	values := decision.MapAt(object, "metadata", "labels")
	found := make(map[string]string, len(values))
	for name, value := range values {
		if text, ok := value.(string); ok {
			found[name] = text
		}
	}
	return found
}

// ToleratesExisting reports whether the Guardrail tolerates existing violations, and injects
// only into Pods whose template was written while it enforced the injection.
func (g *Guardrail) ToleratesExisting() bool { return g.tolerateExisting }

// Covers reports whether the Guardrail selects a namespace, or may select it.
func (g *Guardrail) Covers(namespace decision.Namespace) bool {
	matches, _ := g.selectsNamespace(namespace)
	return matches
}
