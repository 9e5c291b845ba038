package pipeline

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// resolveAll returns the bindings for a request without inspecting its object: those of its
// kind, and for a ControllerRevision those of the kinds that it is decided as.
func (d *Decider) resolveAll(ctx context.Context, r *decision.Request) ([]config.AppliedBinding, error) {
	kinds := []schema.GroupVersionKind{r.Kind}
	if request.IsRevision(r.Kind.GroupKind()) {
		kinds = revisedKinds(r)
	}
	var all []config.AppliedBinding
	for _, kind := range kinds {
		as := *r
		as.Kind = kind
		bindings, err := d.resolve(ctx, &as, d.facts)
		if err != nil {
			return nil, err
		}
		all = append(all, bindings...)
	}
	if request.IsRevision(r.Kind.GroupKind()) {
		revisionScope(r).setTrust(all, r)
	}
	return all, nil
}

// needsDecision reports whether there is anything to decide. Other requests that a webhook
// configuration sends are allowed, for example a DELETE, or a status update that changes
// neither labels nor annotations.
func needsDecision(r *decision.Request) bool {
	switch r.Subresource {
	case "", "ephemeralcontainers", "resize":
		return r.Operation == decision.Create || r.Operation == decision.Update
	}
	return carriesMetadata(r) && r.Operation == decision.Update && metadataChanged(r)
}

// resolve sets the request's namespace and returns the bindings that apply.
func (d *Decider) resolve(ctx context.Context, r *decision.Request, facts FactSource) ([]config.AppliedBinding, error) {
	namespace, err := facts.Namespace(ctx, r.Namespace.Name)
	if err != nil {
		return nil, fmt.Errorf("reading the labels of namespace %q: %w", r.Namespace.Name, err)
	}
	r.Namespace = namespace
	return d.snapshot.Guardrails().Resolve(r, d.options.MaxMode), nil
}
