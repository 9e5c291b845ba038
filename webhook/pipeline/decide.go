package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/request"
)

// FactSource tells what lies beside an object. Implementations are safe for concurrent
// use. An error is an internal error of the decision.
type FactSource interface {
	Namespace(ctx context.Context, name string) (decision.Namespace, error)
	// Facts returns of each wanted sort all that the namespace has; StorageClasses are the
	// cluster's.
	Facts(ctx context.Context, namespace string, wanted []decision.Fact) (decision.Facts, error)
}

// Options of a decision.
type Options struct {
	// MaxMode is a ceiling for every binding; 0 is none.
	MaxMode decision.Mode
	// Live may be nil: then nothing is known that an object may be made from.
	Live Live
	// Pods may be nil: then a Binding with labels or annotations cannot be decided.
	Pods PodReader
	// Webhooks may be nil: then Relax goes by Guardrails alone.
	Webhooks Webhooks
	// Templates may be nil: then every template counts as written now.
	Templates Templates
	// Fresh reads facts past every cache; nil if the FactSource does.
	Fresh FactSource
	// Now is the clock that Exemptions expire by; time.Now if nil.
	Now func() time.Time
}

func (o *Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// Decide decides one request, which it leaves as it is. An error means that nothing
// can be said, and never that the object is fine; a policy that fails alone is in
// Decision.Errors instead.
func (s *Snapshot) Decide(ctx context.Context, r *decision.Request, source FactSource, o Options) (*decision.Decision, error) {
	d, err := s.decideObject(ctx, r, source, o)
	if err != nil {
		return nil, err
	}
	claim, err := s.decideClaim(ctx, r, source, o)
	if err != nil {
		return nil, err
	}
	ambiguity, err := s.decideAmbiguous(ctx, r, source, o)
	if err != nil {
		return nil, err
	}
	for _, more := range []*decision.Decision{claim, ambiguity} {
		if more != nil {
			Join(d, more)
		}
	}
	return d, nil
}

func (s *Snapshot) decideObject(ctx context.Context, r *decision.Request, source FactSource, o Options) (*decision.Decision, error) {
	if request.IsRevision(r.Kind.GroupKind()) {
		return s.decideRevision(ctx, r, source, o)
	}
	if isBinding(r) {
		return s.decideBinding(ctx, r, source, o)
	}
	return s.decide(ctx, r, source, o, scope{})
}

// scope narrows a decision down. The zero scope is an object as a whole.
type scope struct {
	// only is the field that findings must be about, empty where any will do.
	only string
	// strict trusts nobody but the built-in controllers, and takes no Exemption.
	strict bool
	// trusted is set where a built-in controller writes what is its own.
	trusted bool
	// unnarrowed takes those Exemptions only that excuse objects of any name.
	unnarrowed bool
	// restored stands for what a request of its kind may be made from; it may be nil.
	restored func() (Restored, error)
}

// setTrust gives the bindings the trust that the scope leaves.
func (part scope) setTrust(bounds []config.AppliedBinding, r *decision.Request) {
	for i := range bounds {
		switch {
		case part.trusted:
			bounds[i].Guardrail = bounds[i].Guardrail.Trusting(r.User.Name)
		case part.strict:
			bounds[i].Guardrail = bounds[i].Guardrail.Trusting()
		}
	}
}

// decide decides an object, or a part of it.
func (s *Snapshot) decide(ctx context.Context, r *decision.Request, source FactSource, o Options, part scope) (*decision.Decision, error) {
	decision, rests, err := s.decideOnce(ctx, r, source, o, part)
	if err != nil || rests == nil {
		return decision, err
	}
	return s.confirm(ctx, r, rests, decision, o, part)
}

// decideOnce decides by the facts of one source. The basis is nil if there are none.
func (s *Snapshot) decideOnce(ctx context.Context, r *decision.Request, source FactSource, o Options, part scope) (*decision.Decision, *basis, error) {
	if !decided(r) {
		return &decision.Decision{Verdict: decision.VerdictAllow}, nil, nil
	}
	request := *r
	bounds, err := s.resolve(ctx, &request, source, o)
	if err != nil {
		return nil, nil, err
	}
	if len(bounds) == 0 {
		return &decision.Decision{Verdict: decision.VerdictAllow, Unbound: true}, nil, nil
	}
	bounds = relevant(bounds, &request)
	if len(bounds) == 0 {
		return &decision.Decision{Verdict: decision.VerdictAllow}, nil, nil
	}
	wanted := wantedFacts(&request, bounds)
	if len(wanted) > 0 {
		if request.Facts, err = source.Facts(ctx, factNamespace(&request), wanted); err != nil {
			return nil, nil, fmt.Errorf("learning the facts of namespace %q: %w", factNamespace(&request), err)
		}
	}
	exempt, there := s.exemptions.For(&request, o.now()), s.existingOf(&request, &o)
	switch {
	case part.strict:
		exempt = nil
	case part.unnarrowed:
		exempt = exempt.Unnarrowed()
	}
	part.setTrust(bounds, &request)
	results, plan, err := s.judge(ctx, &request, bounds, exempt, there, storedRequest)
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("placing injections: %w", err)
	}
	would, err := s.wouldFill(ctx, &request, bounds, results, plan, exempt)
	if err != nil {
		return nil, nil, err
	}
	if err := distrust(ctx, &request, bounds, results, o); err != nil {
		return nil, nil, err
	}
	evidence := Evidence{
		Request: &request, Bindings: bounds, Results: results,
		Filled: filled(&request, plan.Fills, decision.ModeEnforce), Undecided: undecidedFields(&request, plan.Fills), WouldFill: would,
		GapFindings: gapFindings(&request, bounds, plan.Gaps), Exemptions: exempt, Restored: part.restored, Only: part.only,
	}
	if part.restored == nil {
		evidence.Restored = s.restored(ctx, &request, bounds, o)
	}
	if request.Operation == decision.Update {
		evidence.UpdateScope = extentOf
		evidence.Before = func() ([]decision.Result, error) { return s.before(ctx, &request, bounds, exempt, there) }
	}
	decision, err := Decide(evidence)
	if err != nil {
		return nil, nil, err
	}
	decision.Fills = plan.Fills
	if patches(&request) {
		decision.Patch = patchFor(&request, plan.Fills)
	}
	return decision, &basis{request: &request, bounds: bounds, wanted: wanted, injects: injects(plan)}, nil
}

// Strictest is the strictest mode bound for a request's kind and namespace, and the
// Guardrails that bind under it: what decides where the object itself cannot be looked
// at. The mode is 0 where nothing is bound.
func (s *Snapshot) Strictest(ctx context.Context, r *decision.Request, source FactSource, o Options) (decision.Mode, []string, error) {
	if !decided(r) {
		return 0, nil, nil
	}
	bounds, err := s.resolveAll(ctx, r, source, o)
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
func (s *Snapshot) resolveAll(ctx context.Context, r *decision.Request, source FactSource, o Options) ([]config.AppliedBinding, error) {
	kinds := []schema.GroupVersionKind{r.Kind}
	if request.IsRevision(r.Kind.GroupKind()) {
		kinds = revisedKinds(r)
	}
	var all []config.AppliedBinding
	for _, kind := range kinds {
		request := *r
		request.Kind = kind
		bounds, err := s.resolve(ctx, &request, source, o)
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
func (s *Snapshot) WouldRefuse(ctx context.Context, r *decision.Request, source FactSource, o Options) ([]string, error) {
	if !decided(r) {
		return nil, nil
	}
	bounds, err := s.resolveAll(ctx, r, source, o)
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
func (s *Snapshot) resolve(ctx context.Context, r *decision.Request, source FactSource, o Options) ([]config.AppliedBinding, error) {
	namespace, err := source.Namespace(ctx, r.Namespace.Name)
	if err != nil {
		return nil, fmt.Errorf("learning the labels of namespace %q: %w", r.Namespace.Name, err)
	}
	r.Namespace = namespace
	return s.guardrails.Resolve(r, o.MaxMode), nil
}
