package pipeline

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

// Exempters reports who may excuse objects from a Guardrail. Implementations are safe for
// concurrent use.
type Exempters interface {
	// MayExempt reports whether a user has the verb exempt on a Guardrail, "" for every one,
	// in a namespace, "" for all of them.
	MayExempt(ctx context.Context, user decision.User, guardrail, namespace string) (bool, error)
}

// maxNamespaceReviews is the most often that one Exemption is asked about in a namespace of its
// own. Whoever names more needs the right in all of them.
const maxNamespaceReviews = 100

// Exempt returns what an Exemption loosens and its writer has no right to, whatever the
// modes of the Guardrails and the ceiling are: it stays when they are raised. An UPDATE is asked
// about only what it adds, also while the object is being deleted, as it excuses until it
// is gone. What is not valid is not in force, and for Check to refuse. An error
// means that it is not known whether the user may.
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
		before, _ = decodeExemption(r.OldObject) // what does not decode excuses nothing
	}
	if after == nil || before != nil && sameExtent(after, before) {
		return nil, nil
	}
	stored, err := c.stored.Configuration(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	m, err := c.measure(ctx, after, config.ResolvePolicies(stored.Policies, c.library), stored)
	if err != nil {
		return nil, err
	}
	loosened := append(m.loosened(before), pending(after, m.catalog)...)
	asking := &asking{rights: rights, user: r.User, everywhere: map[string]bool{}}
	var lacking []decision.NotExempting
	for i := range loosened {
		l := &loosened[i]
		may, err := asking.may(ctx, l.Guardrail, l.Namespace)
		if err != nil {
			return nil, fmt.Errorf("asking whether %q may exempt from Guardrail %q: %w", r.User.Name, l.Guardrail, err)
		}
		if !may {
			lacking = append(lacking, decision.NotExempting{Guardrail: l.Guardrail, Namespace: l.Namespace, Message: l.Describe()})
		}
	}
	return lacking, nil
}

// asking remembers what a user may do in every namespace.
type asking struct {
	rights     Exempters
	user       decision.User
	everywhere map[string]bool
	reviews    int
}

func (a *asking) may(ctx context.Context, guardrail, namespace string) (bool, error) {
	may, known := a.everywhere[guardrail]
	if !known {
		var err error
		if may, err = a.rights.MayExempt(ctx, a.user, guardrail, ""); err != nil {
			return false, err
		}
		a.everywhere[guardrail] = may
	}
	if may || namespace == "" || a.reviews >= maxNamespaceReviews {
		return may, nil
	}
	a.reviews++
	return a.rights.MayExempt(ctx, a.user, guardrail, namespace)
}

// decodeExemption returns nil for what is not a valid Exemption.
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

// sameExtent reports whether two Exemptions differ in no more than their reason and owner.
func sameExtent(a, b *v1alpha1.Exemption) bool {
	extent := func(e *v1alpha1.Exemption) *v1alpha1.ExemptionSpec {
		spec := e.Spec.DeepCopy()
		spec.Reason, spec.Owner = "", ""
		return spec
	}
	return reflect.DeepEqual(extent(a), extent(b))
}

// measured is an Exemption compared with the stored Guardrails.
type measured struct {
	exemption   *config.Exemption // nil where it excuses nothing
	guardrails  config.Guardrails
	catalog     *rego.Catalog
	namespaceOf func(name string) decision.Namespace
	now         time.Time
}

func (c *Checker) measure(ctx context.Context, e *v1alpha1.Exemption, policies config.Policies, stored config.Objects) (*measured, error) {
	m := &measured{exemption: effective(e, policies.Catalog), catalog: policies.Catalog, now: c.now()}
	if m.exemption == nil {
		return m, nil
	}
	m.guardrails = config.GuardrailsOf(stored.Guardrails, policies)
	names := slices.DeleteFunc(slices.Clone(m.exemption.Namespaces), func(name string) bool { return name == config.AnyNamespace })
	labels, err := c.stored.Labels(ctx, names)
	if err != nil {
		return nil, err
	}
	m.namespaceOf = func(name string) decision.Namespace {
		if namespace, exists := labels[name]; exists {
			return namespace
		}
		return decision.Namespace{Name: name}
	}
	return m, nil
}

// loosened is what the Exemption takes from the Guardrails beyond what it took before, nil for
// a new one.
func (m *measured) loosened(before *v1alpha1.Exemption) []config.Loosened {
	if m.exemption == nil {
		return nil
	}
	var was *config.Exemption
	if before != nil {
		was = effective(before, m.catalog)
	}
	return m.guardrails.Loosened(m.exemption, was, m.namespaceOf, m.now)
}

// pending returns what an Exemption may loosen later: from policies that do not exist yet, or
// that are about none of its kinds yet. It may come to excuse from them without being written
// again.
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

// effective is an Exemption with the policies alone that are about a kind which it covers; nil
// where it excuses nothing.
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

// checkLimits refuses an Exemption that a Guardrail would not honour for what is new in it, and
// warns of what was so before.
func (c *Checker) checkLimits(ctx context.Context, checked *decision.Checked, e *v1alpha1.Exemption, before config.Object, policies config.Policies, stored config.Objects) error {
	m, err := c.measure(ctx, e, policies, stored)
	if err != nil || m.exemption == nil {
		return err
	}
	if m.exemption.Created.IsZero() {
		m.exemption.Created = m.now
	}
	old, _ := before.(*v1alpha1.Exemption)
	faults := m.limitFaults(e, m.loosened(old))
	checked.Faults = append(checked.Faults, faults...)
	for _, fault := range m.limitFaults(e, m.loosened(nil)) {
		if !slices.Contains(faults, fault) {
			checked.Warnings = append(checked.Warnings, "not honoured: "+fault.String())
		}
	}
	return nil
}

// limitFaults are about what is loosened and not honoured, once a field and Guardrail.
func (m *measured) limitFaults(e *v1alpha1.Exemption, loosened []config.Loosened) (faults []decision.Fault) {
	add := func(fault decision.Fault) {
		if !slices.Contains(faults, fault) {
			faults = append(faults, fault)
		}
	}
	for _, honoured := range m.guardrails.Honoured(m.exemption, m.namespaceOf, m.now) {
		touched := slices.ContainsFunc(loosened, func(l config.Loosened) bool {
			return l.Guardrail == honoured.Guardrail && slices.Contains(l.Policies, honoured.Policy)
		})
		switch {
		case !touched || !honoured.Until.Before(m.exemption.Until):
		case honoured.Until.IsZero():
			at := slices.Index(e.Spec.Policies, honoured.Policy)
			add(decision.Fault{Field: fmt.Sprintf("spec.policies[%d]", at),
				Reason: fmt.Sprintf("Guardrail %s lets no Exemption excuse from %s: leave it out", honoured.Guardrail, honoured.Policy)})
		default:
			add(decision.Fault{Field: "spec.expires", Reason: fmt.Sprintf("Guardrail %s honours it no longer than until %s: write %s, or earlier",
				honoured.Guardrail, honoured.Until.UTC().Format(time.RFC3339), lastDay(honoured.Until, m.now))})
		}
	}
	return faults
}

// lastDay is what to write for an end that is not after a moment.
func lastDay(until, now time.Time) string {
	day := until.UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	if strings.Compare(day, now.UTC().Format(time.DateOnly)) < 0 {
		return until.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	return day
}
