package pipeline

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// Strictest is the strictest mode bound for a request's kind and namespace, and the
// Guardrails that bind under it: what decides where the object itself cannot be looked
// at. The mode is 0 where nothing is bound.
func (p *Decider) Strictest(ctx context.Context, r *decision.Request) (decision.Mode, []string, error) {
	if !decided(r) {
		return 0, nil, nil
	}
	bounds, err := p.resolveAll(ctx, r)
	if err != nil {
		return 0, nil, err
	}
	var strictest decision.Mode
	var names []string
	for _, bound := range bounds {
		mode := bound.EffectiveMode(r, "")
		if mode > strictest {
			strictest, names = mode, nil
		}
		if mode == strictest && !slices.Contains(names, bound.Guardrail.Name) {
			names = append(names, bound.Guardrail.Name)
		}
	}
	return strictest, names, nil
}

// resolveAll finds the bindings for a request whose object is not looked at: those of its
// kind, and for a ControllerRevision those of the kinds that it is decided as.
func (p *Decider) resolveAll(ctx context.Context, r *decision.Request) ([]config.AppliedBinding, error) {
	kinds := []schema.GroupVersionKind{r.Kind}
	if request.IsRevision(r.Kind.GroupKind()) {
		kinds = revisedKinds(r)
	}
	var all []config.AppliedBinding
	for _, kind := range kinds {
		request := *r
		request.Kind = kind
		bounds, err := p.resolve(ctx, &request)
		if err != nil {
			return nil, err
		}
		all = append(all, bounds...)
	}
	if request.IsRevision(r.Kind.GroupKind()) {
		revisionScope(r).setTrust(all, r)
	}
	return all, nil
}

// WouldRefuse returns the Guardrails that would refuse a request whose object cannot be
// looked at, if their mode and the ceiling were enforce.
func (p *Decider) WouldRefuse(ctx context.Context, r *decision.Request) ([]string, error) {
	if !decided(r) {
		return nil, nil
	}
	bounds, err := p.resolveAll(ctx, r)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range bounds {
		if bounds[i].WouldDeny(r, "") && !slices.Contains(names, bounds[i].Guardrail.Name) {
			names = append(names, bounds[i].Guardrail.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// decided reports whether there is anything to decide. What a webhook configuration sends
// besides, such as a DELETE or a status that comes without new labels or annotations, is
// not held up.
func decided(r *decision.Request) bool {
	switch r.Subresource {
	case "", "ephemeralcontainers", "resize":
		return r.Operation == decision.Create || r.Operation == decision.Update
	}
	return carriesMetadata(r) && r.Operation == decision.Update && metadataChanged(r)
}

// resolve learns the namespace and finds the bindings.
func (p *Decider) resolve(ctx context.Context, r *decision.Request) ([]config.AppliedBinding, error) {
	namespace, err := p.facts.Namespace(ctx, r.Namespace.Name)
	if err != nil {
		return nil, fmt.Errorf("learning the labels of namespace %q: %w", r.Namespace.Name, err)
	}
	r.Namespace = namespace
	return p.snapshot.Guardrails().Resolve(r, p.options.MaxMode), nil
}
