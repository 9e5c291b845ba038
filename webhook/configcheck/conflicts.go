package configcheck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

// Conflict is a field for which two enforced bindings inject different values. Neither value is
// injected.
type Conflict struct {
	// With is the name of the other Guardrail, empty if both bindings are in one Guardrail.
	With string
	// Field is relative to a container, as in resources.limits.cpu.
	Field string
	// Value is this Guardrail's value, and Other the other binding's.
	Value, Other string
	// Everywhere is true if both select every namespace that they do not exclude. Otherwise
	// Namespaces has the namespaces that both select, sorted.
	Everywhere bool
	Namespaces []string
}

func (c *Conflict) String() string {
	other := "another binding"
	if c.With != "" {
		other = "Guardrail " + c.With
	}
	where := "in every namespace"
	if !c.Everywhere {
		where = "in " + decision.Listed(c.Namespaces)
	}
	return fmt.Sprintf("%s: %s requires %s and this one %s, so neither is filled in (%s)", c.Field, other, c.Other, c.Value, where)
}

// Conflicts returns, by Guardrail, the fields that two bindings inject differently into a Pod
// that sets nothing. Injections that depend on the content of a Pod are not covered; their
// conflicts are reported when such a Pod is admitted. It lists namespaces only if the result
// depends on them.
func Conflicts(ctx context.Context, s *config.Snapshot, namespaces func(context.Context) ([]decision.Namespace, error)) (map[string][]Conflict, error) {
	injections, err := injectionsOf(ctx, s)
	if err != nil {
		return nil, err
	}
	found := map[string][]Conflict{}
	var there []decision.Namespace
	for i, a := range injections {
		for _, b := range injections[:i+1] {
			if a.field != b.field || a.value.Cmp(b.value) == 0 {
				continue
			}
			everywhere := config.BothEverywhere(a.guardrail, b.guardrail)
			if !everywhere && there == nil {
				if there, err = namespaces(ctx); err != nil {
					return nil, fmt.Errorf("listing the namespaces: %w", err)
				}
			}
			var both []string
			if !everywhere {
				if both = config.BothCover(a.guardrail, b.guardrail, there); len(both) == 0 {
					continue
				}
			}
			add := func(one, other injection) {
				with := other.guardrail.Name
				if one.guardrail == other.guardrail {
					with = ""
				}
				found[one.guardrail.Name] = append(found[one.guardrail.Name], Conflict{
					With: with, Field: one.field, Value: one.value.String(), Other: other.value.String(),
					Everywhere: everywhere, Namespaces: both,
				})
			}
			add(a, b)
			if a.guardrail != b.guardrail {
				add(b, a)
			}
		}
	}
	for _, conflicts := range found {
		slices.SortStableFunc(conflicts, func(a, b Conflict) int {
			return strings.Compare(a.With+" "+a.Field+" "+a.Other, b.With+" "+b.Field+" "+b.Other)
		})
	}
	return found, nil
}

// injection is a field and the value that an enforced binding injects.
type injection struct {
	guardrail *config.Guardrail
	field     string
	value     resource.Quantity
}

// injectionsOf returns the injections of all Guardrails, found by evaluating them for a Pod
// that sets nothing.
func injectionsOf(ctx context.Context, s *config.Snapshot) ([]injection, error) {
	var instances []int
	mutating := func(b *config.Binding) bool { return b.Policy.Mutates && b.Mode == decision.ModeEnforce }
	for _, g := range s.Guardrails() {
		for i := range g.Bindings {
			if b := &g.Bindings[i]; mutating(b) && !slices.Contains(instances, b.Instance) {
				instances = append(instances, b.Instance)
			}
		}
	}
	if len(instances) < 2 {
		return nil, nil // one set of parameters cannot disagree
	}
	probe, err := request.Manifest(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "probe", "namespace": "probe"},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "probe", "image": "probe"}}},
	}, "probe")
	if err != nil {
		return nil, err
	}
	probe.Namespace.Known = true
	pipeline.Enrich(probe)
	results, err := s.Program().Evaluate(ctx, probe, instances, rego.Inject)
	if err != nil {
		return nil, err
	}
	var all []injection
	for _, g := range s.Guardrails() {
		for i := range g.Bindings {
			b := &g.Bindings[i]
			if !mutating(b) {
				continue
			}
			for _, intent := range results[slices.Index(instances, b.Instance)].Intents {
				value, err := resource.ParseQuantity(intent.Value)
				if err != nil {
					continue // reported at injection
				}
				all = append(all, injection{guardrail: g, field: intent.Field, value: value})
			}
		}
	}
	return all, nil
}
