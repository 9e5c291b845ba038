package configcheck

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// Exempters reports who may exempt objects from a Guardrail. Implementations must be safe for
// concurrent use.
type Exempters interface {
	// MayExempt reports whether a user has the verb exempt on a Guardrail ("" for all
	// Guardrails) in a namespace ("" for all namespaces).
	MayExempt(ctx context.Context, user decision.User, guardrail, namespace string) (bool, error)
}

// maxNamespaceReviews limits the access reviews for single namespaces per Exemption. A user who
// names more namespaces needs the permission in all namespaces.
const maxNamespaceReviews = 100

// Exempt returns what an Exemption loosens without its author having permission to. Modes and
// the maximum mode do not matter, because the Exemption outlives a change of them. For an UPDATE
// only additions are reviewed, even while the object is being deleted, because an Exemption is in
// force until it is gone. An invalid Exemption is not in force; Check refuses it. An error
// means that the permission could not be determined.
func (c *Checker) Exempt(ctx context.Context, r *decision.Request, rights Exempters) ([]decision.NotExempting, error) {
	if r.Subresource != "" || r.Operation != decision.Create && r.Operation != decision.Update {
		return nil, nil
	}
	after, err := decodeExemption(r.Object)
	if err != nil {
		return nil, err
	}
	var before *v1alpha1.Exemption
	if r.Operation == decision.Update {
		before, _ = decodeExemption(r.OldObject) // an Exemption that does not decode exempts nothing
	}
	if after == nil || before != nil && sameScope(after, before) {
		return nil, nil
	}
	stored, err := c.stored.Configuration(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	effect, err := c.effect(ctx, after, config.ResolvePolicies(stored.Policies, c.library), stored)
	if err != nil {
		return nil, err
	}
	loosened := append(effect.loosened(before), pending(after, effect.catalog)...)
	granted := &permissions{rights: rights, user: r.User, everywhere: map[string]bool{}}
	var lacking []decision.NotExempting
	for i := range loosened {
		l := &loosened[i]
		may, err := granted.may(ctx, l.Guardrail, l.Namespace)
		if err != nil {
			return nil, fmt.Errorf("checking whether %q may exempt from Guardrail %q: %w", r.User.Name, l.Guardrail, err)
		}
		if !may {
			lacking = append(lacking, decision.NotExempting{Guardrail: l.Guardrail, Namespace: l.Namespace, Message: l.Describe()})
		}
	}
	return lacking, nil
}

// permissions caches the permissions that a user has in all namespaces.
type permissions struct {
	rights     Exempters
	user       decision.User
	everywhere map[string]bool
	reviews    int
}

func (p *permissions) may(ctx context.Context, guardrail, namespace string) (bool, error) {
	may, known := p.everywhere[guardrail]
	if !known {
		var err error
		if may, err = p.rights.MayExempt(ctx, p.user, guardrail, ""); err != nil {
			return false, err
		}
		p.everywhere[guardrail] = may
	}
	if may || namespace == "" || p.reviews >= maxNamespaceReviews {
		return may, nil
	}
	p.reviews++
	return p.rights.MayExempt(ctx, p.user, guardrail, namespace)
}

// decodeExemption returns nil if the object is not a valid Exemption.
func decodeExemption(object map[string]any) (*v1alpha1.Exemption, error) {
	decoded, faults := config.Decode(object)
	if len(faults) > 0 {
		return nil, nil
	}
	e, ok := decoded.(*v1alpha1.Exemption)
	if !ok {
		return nil, fmt.Errorf("a %T where an Exemption is decided", decoded)
	}
	return e, nil
}

// sameScope reports whether two Exemptions differ only in their reason and owner.
func sameScope(a, b *v1alpha1.Exemption) bool {
	withoutReason := func(e *v1alpha1.Exemption) *v1alpha1.ExemptionSpec {
		spec := e.Spec.DeepCopy()
		spec.Reason, spec.Owner = "", ""
		return spec
	}
	return reflect.DeepEqual(withoutReason(a), withoutReason(b))
}

// exemptionEffect relates an Exemption to the stored Guardrails.
type exemptionEffect struct {
	exemption   *config.Exemption // nil if it exempts nothing
	guardrails  config.Guardrails
	catalog     *rego.Catalog
	namespaceOf func(name string) decision.Namespace
	now         time.Time
}

func (c *Checker) effect(ctx context.Context, e *v1alpha1.Exemption, policies config.Policies, stored config.Objects) (*exemptionEffect, error) {
	effect := &exemptionEffect{exemption: effective(e, policies.Catalog), catalog: policies.Catalog, now: c.now()}
	if effect.exemption == nil {
		return effect, nil
	}
	effect.guardrails = config.GuardrailsOf(stored.Guardrails, policies)
	names := slices.DeleteFunc(slices.Clone(effect.exemption.Namespaces), func(name string) bool { return name == config.AnyNamespace })
	labels, err := c.stored.Labels(ctx, names)
	if err != nil {
		return nil, err
	}
	effect.namespaceOf = func(name string) decision.Namespace {
		if namespace, exists := labels[name]; exists {
			return namespace
		}
		return decision.Namespace{Name: name}
	}
	return effect, nil
}

// loosened returns what the Exemption takes from the Guardrails beyond its previous version,
// which is nil for a new one.
func (effect *exemptionEffect) loosened(before *v1alpha1.Exemption) []config.Loosened {
	if effect.exemption == nil {
		return nil
	}
	var was *config.Exemption
	if before != nil {
		was = effective(before, effect.catalog)
	}
	return effect.guardrails.Loosened(effect.exemption, was, effect.namespaceOf, effect.now)
}

// pending returns what an Exemption may loosen without being changed again: policies that do
// not exist yet, or that do not cover any of its kinds yet.
func pending(e *v1alpha1.Exemption, catalog *rego.Catalog) (all []config.Loosened) {
	resolved, errs := config.ResolveExemption(e, catalog)
	kindMissing := slices.ContainsFunc(errs, func(err *field.Error) bool { return strings.HasPrefix(err.Field, "spec.kinds[") })
	var policies []string
	for _, id := range e.Spec.Policies {
		policy, known := catalog.Policy(id)
		if !known || kindMissing || resolved != nil && policy.User && !slices.ContainsFunc(policy.Kinds, resolved.CoversKind) {
			policies = append(policies, id)
		}
	}
	if len(policies) == 0 {
		return nil
	}
	for _, namespace := range e.Spec.Namespaces {
		if namespace == config.AnyNamespace {
			namespace = ""
		}
		all = append(all, config.Loosened{Namespace: namespace, Policies: policies})
	}
	return all
}

// effective returns the resolved Exemption with only those policies that cover one of its
// kinds, or nil if it exempts nothing.
func effective(e *v1alpha1.Exemption, catalog *rego.Catalog) *config.Exemption {
	resolved, _ := config.ResolveExemption(e, catalog)
	if resolved == nil {
		return nil
	}
	resolved.Policies = slices.DeleteFunc(resolved.Policies, func(id string) bool {
		policy, known := catalog.Policy(id)
		return !known || !slices.ContainsFunc(policy.Kinds, resolved.CoversKind)
	})
	return resolved
}
