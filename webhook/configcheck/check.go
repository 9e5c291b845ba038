package configcheck

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// Stored reads the stored configuration. Implementations must be safe for concurrent use.
type Stored interface {
	// Configuration returns the Guardrails and Policies; Exemptions are optional. It must not
	// lag behind the API server: one apply may create a Policy and the Guardrail that binds it.
	Configuration(ctx context.Context) (config.Objects, error)
	Namespaces(ctx context.Context) ([]decision.Namespace, error)
	// Labels returns those of the named namespaces that exist. It must not lag behind the API
	// server.
	Labels(ctx context.Context, names []string) (map[string]decision.Namespace, error)
}

// Checker checks configuration objects before they are stored, by the same rules that
// config.Build applies afterward. It is safe for concurrent use.
type Checker struct {
	library *rego.Catalog
	stored  Stored
	now     func() time.Time
}

// New returns a Checker. A nil now defaults to time.Now.
func New(library *rego.Catalog, stored Stored, now func() time.Time) *Checker {
	if now == nil {
		now = time.Now
	}
	return &Checker{library: library, stored: stored, now: now}
}

// longExemption is the duration beyond which the author of an Exemption gets a warning.
const longExemption = 366 * 24 * time.Hour

// Check returns the faults of a configuration object. An UPDATE that leaves the spec unchanged,
// or whose object is being deleted, always passes. A fault that the stored object already has
// is only a warning: whoever is on call must be able to loosen a Guardrail that somebody else's
// Policy has broken.
func (c *Checker) Check(ctx context.Context, r *decision.Request) (*decision.Checked, error) {
	if r.Subresource != "" || r.Operation != decision.Create && r.Operation != decision.Update || decision.Deleting(r.Object) {
		return &decision.Checked{}, nil
	}
	if r.Operation == decision.Update && reflect.DeepEqual(r.Object["spec"], r.OldObject["spec"]) {
		return &decision.Checked{}, nil
	}
	object, faults := config.Decode(r.Object)
	if len(faults) > 0 {
		return &decision.Checked{Faults: faults}, nil
	}
	var before config.Object
	if r.Operation == decision.Update {
		before, _ = config.Decode(r.OldObject) // an old object that does not decode has no known faults
	}
	stored, err := c.stored.Configuration(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	checked := &decision.Checked{}
	switch object := object.(type) {
	case *v1alpha1.Guardrail:
		catalog := config.ResolvePolicies(stored.Policies, c.library).Catalog
		report(checked, guardrailErrors(object, catalog), guardrailErrors(before, catalog))
		if err := c.checkOverlap(ctx, checked, object, before, stored.Guardrails); err != nil {
			return nil, err
		}
		if len(checked.Faults) == 0 {
			warnings, err := c.conflicts(ctx, object, stored)
			if err != nil {
				return nil, err
			}
			checked.Warnings = append(append(checked.Warnings, uncoveredBy(object, catalog)...), warnings...)
		}
	case *v1alpha1.Exemption:
		policies := config.ResolvePolicies(stored.Policies, c.library)
		catalog := policies.Catalog
		report(checked, exemptionErrors(object, catalog), exemptionErrors(before, catalog))
		c.checkExpiry(checked, object, before, catalog)
		if err := c.checkLimits(ctx, checked, object, before, policies, stored); err != nil {
			return nil, err
		}
	case *v1alpha1.Policy:
		if err := c.checkPolicy(ctx, checked, object, stored); err != nil {
			return nil, err
		}
	}
	return checked, nil
}

// report adds each error as a fault, or as a warning if the old object has it already.
func report(checked *decision.Checked, errs, before field.ErrorList) {
	for _, err := range errs {
		fault := decision.Fault{Field: err.Field, Reason: err.ErrorBody()}
		// Compare the text, not the field: list entries move.
		if slices.ContainsFunc(before, func(old *field.Error) bool { return old.ErrorBody() == err.ErrorBody() }) {
			checked.Warnings = append(checked.Warnings, "existing error: "+fault.String())
			continue
		}
		checked.Faults = append(checked.Faults, fault)
	}
}

func guardrailErrors(object config.Object, catalog *rego.Catalog) field.ErrorList {
	g, ok := object.(*v1alpha1.Guardrail)
	if !ok {
		return nil
	}
	_, errs := config.Resolve(g, catalog)
	return errs
}

func exemptionErrors(object config.Object, catalog *rego.Catalog) field.ErrorList {
	e, ok := object.(*v1alpha1.Exemption)
	if !ok {
		return nil
	}
	_, errs := config.ResolveExemption(e, catalog)
	return errs
}

// checkExpiry checks a changed expiry date only. An unchanged date that has passed since is
// what Exemptions are for.
func (c *Checker) checkExpiry(checked *decision.Checked, e *v1alpha1.Exemption, before config.Object, catalog *rego.Catalog) {
	if old, ok := before.(*v1alpha1.Exemption); ok && old.Spec.Expires == e.Spec.Expires {
		return
	}
	resolved, _ := config.ResolveExemption(e, catalog)
	if resolved == nil {
		return
	}
	switch left := resolved.Until.Sub(c.now()); {
	case left <= 0:
		checked.Faults = append(checked.Faults, decision.Fault{
			Field: "spec.expires", Reason: fmt.Sprintf("%s has passed: write the last day on which the Exemption is needed", e.Spec.Expires),
		})
	case left > longExemption:
		checked.Warnings = append(checked.Warnings, "spec.expires: "+e.Spec.Expires+" is more than a year away: is this an exception, or should the policy change?")
	}
}

// checkPolicy warns about Guardrails that the new version of the Policy breaks. It does not
// refuse the Policy: if its parameters change, either the Policy or the Guardrail has to be
// stored first.
func (c *Checker) checkPolicy(ctx context.Context, checked *decision.Checked, p *v1alpha1.Policy, stored config.Objects) error {
	others := slices.DeleteFunc(slices.Clone(stored.Policies), func(other v1alpha1.Policy) bool { return other.Name == p.Name })
	now := config.ResolvePolicies(stored.Policies, c.library)
	then := config.ResolvePolicies(append(others, *p), c.library)
	report(checked, then.Errors[p.Name], now.Errors[p.Name])
	if len(then.Errors[p.Name]) > 0 {
		return nil
	}
	if policy, inForce := then.Catalog.Policy(p.Name); inForce {
		warnings, err := trial(ctx, then.Catalog, policy, then.Budgets[policy.ID])
		if err != nil {
			return err
		}
		checked.Warnings = append(checked.Warnings, warnings...)
		checked.Warnings = append(checked.Warnings, kindWarnings(policy)...)
		checked.Warnings = append(checked.Warnings, policy.Deprecations()...)
	}
	for i := range stored.Guardrails {
		g := &stored.Guardrails[i]
		if !slices.ContainsFunc(g.Spec.Policies, func(b v1alpha1.PolicyBinding) bool { return b.Name == p.Name }) {
			continue
		}
		was := guardrailErrors(g, now.Catalog)
		for _, err := range guardrailErrors(g, then.Catalog) {
			if !slices.ContainsFunc(was, func(old *field.Error) bool { return old.Error() == err.Error() }) {
				checked.Warnings = append(checked.Warnings, "Guardrail "+g.Name+" will not be in force: "+err.Error())
			}
		}
	}
	return nil
}

// uncoveredBy returns a warning for each kind that the bound policies leave uncovered.
func uncoveredBy(g *v1alpha1.Guardrail, catalog *rego.Catalog) (warnings []string) {
	var known []string
	for i := range g.Spec.Policies {
		name := g.Spec.Policies[i].Name
		policy, found := catalog.Policy(name)
		if !found || !policy.User || slices.Contains(known, name) {
			continue
		}
		known = append(known, name)
		for _, uncovered := range policy.Uncovered() {
			warnings = append(warnings, name+": "+uncovered.Warning())
		}
	}
	return warnings
}

// kindWarnings returns warnings about kinds that a Policy covers beyond its METADATA, and about
// those that it leaves uncovered.
func kindWarnings(policy *rego.Policy) (warnings []string) {
	if len(policy.Completed) > 0 {
		warnings = append(warnings, "kinds: it also applies to "+rego.KindList(policy.Completed))
	}
	for _, uncovered := range policy.Uncovered() {
		warnings = append(warnings, "kinds: "+uncovered.Warning())
	}
	if kinds := policy.Undecided(); len(kinds) > 0 {
		warnings = append(warnings, "kinds: it does not apply to "+rego.KindList(kinds))
	}
	return warnings
}

// conflicts returns a warning for each Guardrail that would inject other values than g.
func (c *Checker) conflicts(ctx context.Context, g *v1alpha1.Guardrail, stored config.Objects) ([]string, error) {
	others := slices.DeleteFunc(slices.Clone(stored.Guardrails), func(other v1alpha1.Guardrail) bool { return other.Name == g.Name })
	// Compile mutating policies only.
	catalog := config.ResolvePolicies(stored.Policies, c.library).Catalog
	objects := config.Objects{Policies: stored.Policies}
	for _, one := range append(others, *g) {
		one.Spec.Policies = slices.DeleteFunc(slices.Clone(one.Spec.Policies), func(b v1alpha1.PolicyBinding) bool {
			policy, known := catalog.Policy(b.Name)
			return !known || !policy.Mutates
		})
		if len(one.Spec.Policies) > 0 {
			objects.Guardrails = append(objects.Guardrails, one)
		}
	}
	if len(objects.Guardrails) == 0 || objects.Guardrails[len(objects.Guardrails)-1].Name != g.Name {
		return nil, nil
	}
	snapshot, _, err := config.Build(ctx, c.library, objects)
	if err != nil {
		return nil, err
	}
	all, err := Conflicts(ctx, snapshot, c.stored.Namespaces)
	if err != nil {
		return nil, err
	}
	var warnings []string
	for _, conflict := range all[g.Name] {
		warnings = append(warnings, conflict.String())
	}
	return warnings, nil
}
