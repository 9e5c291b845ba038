package configcheck

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// parameterSets is the set of different parameters of one policy, as JSON.
type parameterSets map[string]bool

func (s parameterSets) add(g *v1alpha1.Guardrail, policy string) {
	for i := range g.Spec.Policies {
		if b := &g.Spec.Policies[i]; b.Name == policy {
			text := ""
			if b.Parameters != nil {
				text = string(b.Parameters.Raw)
			}
			s[text] = true
		}
	}
}

// excess describes which limit of a single Guardrail the sets exceed. It is empty if they
// exceed none.
func (s parameterSets) excess() string {
	var used config.ParameterUsage
	for text := range s {
		used.Add(len(text))
	}
	switch {
	case used.HasTooManySets():
		return fmt.Sprintf("%d different sets of parameters, but only %d are allowed", used.Sets, config.MaxSets)
	case used.HasTooManyBytes():
		return fmt.Sprintf("parameters of %d bytes, but only %d are allowed", used.Bytes, config.MaxParameters)
	}
	return ""
}

// checkOverlap applies the limits of a single Guardrail to Guardrails that select the same
// namespaces: a policy is evaluated once per parameter set, whichever Guardrail binds it.
func (c *Checker) checkOverlap(ctx context.Context, checked *decision.Checked, g *v1alpha1.Guardrail, before config.Object, stored []v1alpha1.Guardrail) error {
	others := slices.DeleteFunc(slices.Clone(stored), func(other v1alpha1.Guardrail) bool { return other.Name == g.Name })
	errs, err := c.overlap(ctx, g, others)
	if err != nil || len(errs) == 0 {
		return err
	}
	var had field.ErrorList
	if old, ok := before.(*v1alpha1.Guardrail); ok {
		if had, err = c.overlap(ctx, old, others); err != nil {
			return err
		}
	}
	report(checked, errs, had)
	return nil
}

func (c *Checker) overlap(ctx context.Context, g *v1alpha1.Guardrail, others []v1alpha1.Guardrail) (errs field.ErrorList, err error) {
	this, err := config.NewGuardrail(g, nil)
	if err != nil {
		return nil, nil //nolint:nilerr // the selector's error is reported elsewhere
	}
	var namespaces []decision.Namespace
	for _, policy := range policiesOf(g) {
		all := parameterSets{}
		all.add(g, policy)
		for i := range others {
			all.add(&others[i], policy)
		}
		if all.excess() == "" {
			continue // within the limits even if all of them select the same namespaces
		}
		if namespaces == nil {
			if namespaces, err = c.stored.Namespaces(ctx); err != nil {
				return nil, fmt.Errorf("listing the namespaces: %w", err)
			}
		}
		if where, excess := worstNamespace(this, g, others, policy, namespaces); excess != "" {
			errs = append(errs, field.Invalid(field.NewPath("spec", "policies"), policy, fmt.Sprintf(
				"together with other Guardrails, %s would have %s: merge them, or select other namespaces", where, excess)))
		}
	}
	return errs, nil
}

func policiesOf(g *v1alpha1.Guardrail) (names []string) {
	for i := range g.Spec.Policies {
		names = append(names, g.Spec.Policies[i].Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// worstNamespace returns a namespace in which a policy exceeds the limits, and describes the
// excess.
func worstNamespace(this *config.Guardrail, g *v1alpha1.Guardrail, others []v1alpha1.Guardrail, policy string, namespaces []decision.Namespace) (where, excess string) {
	everywhere, shared := parameterSets{}, map[string]parameterSets{}
	everywhere.add(g, policy)
	for i := range others {
		if !slices.ContainsFunc(others[i].Spec.Policies, func(b v1alpha1.PolicyBinding) bool { return b.Name == policy }) {
			continue
		}
		other, err := config.NewGuardrail(&others[i], nil)
		if err != nil {
			continue // it is not in force
		}
		if config.BothEverywhere(this, other) {
			everywhere.add(&others[i], policy)
		}
		for _, name := range config.BothCover(this, other, namespaces) {
			if shared[name] == nil {
				shared[name] = parameterSets{}
				shared[name].add(g, policy)
			}
			shared[name].add(&others[i], policy)
			if excess := shared[name].excess(); excess != "" {
				return "namespace " + name, excess
			}
		}
	}
	return "every namespace", everywhere.excess()
}
