package audit

import (
	"context"
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// ExemptionUsage counts the findings that one Exemption exempts among the live objects.
type ExemptionUsage struct {
	Findings, Objects int64
	// NotCounted lists the kinds that the Exemption covers and that could not be read, as in
	// Deployment.apps, sorted.
	NotCounted []string
}

// CountExemptionUsage returns the usage of each Exemption by name. Exemptions that cover the same
// objects share one scan. Kinds that the mapper does not know, or that Taffrail may not list, are
// reported in NotCounted and do not fail the count.
func (s *Scanner) CountExemptionUsage(ctx context.Context, snapshot *config.Snapshot, exemptions config.Exemptions, mapper meta.RESTMapper) (map[string]*ExemptionUsage, error) {
	counts := make(map[string]*ExemptionUsage, len(exemptions))
	for _, e := range exemptions {
		counts[e.Name] = &ExemptionUsage{NotCounted: injected(e, snapshot.Catalog())}
	}
	for kind, covering := range kindsOf(exemptions, snapshot.Catalog()) {
		mapping, err := mapper.RESTMapping(kind)
		if err == nil {
			err = s.count(ctx, snapshot, mapping, covering, counts)
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case meta.IsNoMatchError(err), apierrors.IsForbidden(err), apierrors.IsNotFound(err), errors.Is(err, errUndecided):
			for _, e := range covering {
				counts[e.Name].NotCounted = append(counts[e.Name].NotCounted, kind.String())
			}
		case err != nil:
			return nil, err
		}
	}
	for _, count := range counts {
		slices.Sort(count.NotCounted)
		count.NotCounted = slices.Compact(count.NotCounted)
	}
	return counts, nil
}

// injected returns the kinds that e exempts from injection. Their usage cannot be counted: an
// object does not show that nothing was injected.
func injected(e *config.Exemption, catalog *rego.Catalog) (kinds []string) {
	for _, id := range e.Policies {
		if policy, known := catalog.Policy(id); known && !policy.Validates {
			for _, kind := range policy.Kinds {
				if e.CoversKind(kind) {
					kinds = append(kinds, kind.String())
				}
			}
		}
	}
	return kinds
}

var errUndecided = errors.New("some objects could not be decided")

// kindsOf maps each kind that the policies of the Exemptions apply to, to the Exemptions that
// cover it.
func kindsOf(exemptions config.Exemptions, catalog *rego.Catalog) map[schema.GroupKind]config.Exemptions {
	kinds := map[schema.GroupKind]config.Exemptions{}
	for _, e := range exemptions {
		for _, id := range e.Policies {
			policy, known := catalog.Policy(id)
			if !known {
				continue
			}
			for _, kind := range policy.Kinds {
				if policy.Validates && e.CoversKind(kind) && !slices.Contains(kinds[kind], e) {
					kinds[kind] = append(kinds[kind], e)
				}
			}
		}
	}
	return kinds
}

func (s *Scanner) count(ctx context.Context, snapshot *config.Snapshot, mapping *meta.RESTMapping, covering config.Exemptions, counts map[string]*ExemptionUsage) error {
	if _, bound := TargetOf(snapshot, mapping.GroupVersionKind.GroupKind()); !bound {
		return nil
	}
	undecided := 0
	decider := pipeline.New(snapshot, s.Facts, pipeline.Options{})
	for _, namespace := range namespacesOf(covering, mapping.Scope) {
		err := s.Scan(ctx, decider, Selection{Mapping: mapping, Namespace: namespace}, func(scanned *Scanned) {
			if scanned.Err != nil {
				undecided++
				return
			}
			seen := map[string]bool{}
			for i := range scanned.Decision.Findings {
				for _, name := range scanned.Decision.Findings[i].Exemptions {
					count, asked := counts[name]
					if !asked {
						continue
					}
					count.Findings++
					if !seen[name] {
						seen[name] = true
						count.Objects++
					}
				}
			}
		})
		if err != nil {
			return err
		}
	}
	if undecided > 0 {
		return errUndecided
	}
	return nil
}

// namespacesOf returns the namespaces to list. A single "" stands for all namespaces, or for
// cluster-scoped objects.
func namespacesOf(exemptions config.Exemptions, scope meta.RESTScope) []string {
	var names []string
	for _, e := range exemptions {
		names = append(names, e.Namespaces...)
	}
	if scope.Name() == meta.RESTScopeNameRoot || slices.Contains(names, config.AnyNamespace) {
		return []string{""}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
