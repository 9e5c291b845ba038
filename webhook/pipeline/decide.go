package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/engine"
	"taffrail.dev/webhook/guardrail"
	"taffrail.dev/webhook/mutate"
	"taffrail.dev/webhook/normalize"
	"taffrail.dev/webhook/review"
)

// FactSource tells what lies beside an object. Implementations are safe for concurrent
// use. An error is an internal error of the decision.
type FactSource interface {
	Namespace(ctx context.Context, name string) (review.Namespace, error)
	// Facts returns of each wanted sort all that the namespace has; StorageClasses are the
	// cluster's.
	Facts(ctx context.Context, namespace string, wanted []review.Fact) (review.Facts, error)
}

// Options of a decision.
type Options struct {
	// MaxMode is a ceiling for every binding; 0 is none.
	MaxMode review.Mode
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
func (s *Snapshot) Decide(ctx context.Context, r *review.Request, source FactSource, o Options) (*review.Decision, error) {
	d, err := s.decideObject(ctx, r, source, o)
	if err != nil {
		return nil, err
	}
	for _, also := range []func(context.Context, *review.Request, FactSource, Options) (*review.Decision, error){s.decideClaim, s.decideAmbiguous} {
		more, err := also(ctx, r, source, o)
		if err != nil {
			return nil, err
		}
		if more != nil {
			guardrail.Join(d, more)
		}
	}
	return d, nil
}

func (s *Snapshot) decideObject(ctx context.Context, r *review.Request, source FactSource, o Options) (*review.Decision, error) {
	if normalize.IsRevision(r.Kind.GroupKind()) {
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
	restored func() (guardrail.Restored, error)
}

// setTrust gives the bindings the trust that the scope leaves.
func (part scope) setTrust(bounds []guardrail.Bound, r *review.Request) {
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
func (s *Snapshot) decide(ctx context.Context, r *review.Request, source FactSource, o Options, part scope) (*review.Decision, error) {
	decision, rests, err := s.decideOnce(ctx, r, source, o, part)
	if err != nil || rests == nil {
		return decision, err
	}
	return s.confirm(ctx, r, rests, decision, o, part)
}

// decideOnce decides by the facts of one source. The basis is nil if there are none.
func (s *Snapshot) decideOnce(ctx context.Context, r *review.Request, source FactSource, o Options, part scope) (*review.Decision, *basis, error) {
	if !decided(r) {
		return &review.Decision{Verdict: review.VerdictAllow}, nil, nil
	}
	request := *r
	bounds, err := s.resolve(ctx, &request, source, o)
	if err != nil {
		return nil, nil, err
	}
	bounds = relevant(bounds, &request)
	if len(bounds) == 0 {
		return &review.Decision{Verdict: review.VerdictAllow}, nil, nil
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
	evidence := guardrail.Evidence{
		Request: &request, Bounds: bounds, Results: results,
		Filled: filled(&request, plan.Fills, review.ModeEnforce), Undecided: undecidedFields(&request, plan.Fills), WouldFill: would,
		Extra: gapFindings(&request, bounds, plan.Gaps), Exemptions: exempt, Restored: part.restored, Only: part.only,
	}
	if part.restored == nil {
		evidence.Restored = s.restored(ctx, &request, bounds, o)
	}
	if request.Operation == review.Update {
		evidence.Extent = extentOf
		evidence.Before = func() ([]review.Result, error) { return s.before(ctx, &request, bounds, exempt, there) }
	}
	decision, err := guardrail.Decide(evidence)
	if err != nil {
		return nil, nil, err
	}
	decision.Fills = plan.Fills
	if patches(&request) {
		decision.Patch = mutate.Patch(&request, plan.Fills)
	}
	return decision, &basis{request: &request, bounds: bounds, wanted: wanted, injects: injects(plan)}, nil
}

func injects(plan mutate.Plan) bool {
	return slices.ContainsFunc(plan.Fills, func(f review.Fill) bool { return f.Mode == review.ModeEnforce }) ||
		slices.ContainsFunc(plan.Gaps, func(g mutate.Gap) bool { return g.Mode == review.ModeEnforce })
}

// Strictest is the strictest mode bound for a request's kind and namespace, and the
// Guardrails that bind under it: what decides where the object itself cannot be looked
// at. The mode is 0 where nothing is bound.
func (s *Snapshot) Strictest(ctx context.Context, r *review.Request, source FactSource, o Options) (review.Mode, []string, error) {
	if !decided(r) {
		return 0, nil, nil
	}
	bounds, err := s.resolveAll(ctx, r, source, o)
	if err != nil {
		return 0, nil, err
	}
	var strictest review.Mode
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
func (s *Snapshot) resolveAll(ctx context.Context, r *review.Request, source FactSource, o Options) ([]guardrail.Bound, error) {
	kinds := []schema.GroupVersionKind{r.Kind}
	if normalize.IsRevision(r.Kind.GroupKind()) {
		kinds = revisedKinds(r)
	}
	var all []guardrail.Bound
	for _, kind := range kinds {
		request := *r
		request.Kind = kind
		bounds, err := s.resolve(ctx, &request, source, o)
		if err != nil {
			return nil, err
		}
		all = append(all, bounds...)
	}
	if normalize.IsRevision(r.Kind.GroupKind()) {
		revisionScope(r).setTrust(all, r)
	}
	return all, nil
}

// WouldRefuse returns the Guardrails that would refuse a request whose object cannot be
// looked at, if their mode and the ceiling were enforce.
func (s *Snapshot) WouldRefuse(ctx context.Context, r *review.Request, source FactSource, o Options) ([]string, error) {
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
func decided(r *review.Request) bool {
	switch r.Subresource {
	case "", "ephemeralcontainers", "resize":
		return r.Operation == review.Create || r.Operation == review.Update
	}
	return carriesMetadata(r) && r.Operation == review.Update && metadataChanged(r)
}

// resolve learns the namespace and finds the bindings.
func (s *Snapshot) resolve(ctx context.Context, r *review.Request, source FactSource, o Options) ([]guardrail.Bound, error) {
	namespace, err := source.Namespace(ctx, r.Namespace.Name)
	if err != nil {
		return nil, fmt.Errorf("learning the labels of namespace %q: %w", r.Namespace.Name, err)
	}
	r.Namespace = namespace
	return s.guardrails.Resolve(r, o.MaxMode), nil
}

// partOf says which rules a request needs. A Pod is injected into at /mutate and
// validated at /validate. A template is never patched; its injections are predicted
// where it is validated, because they count for what the Pods will have.
func partOf(r *review.Request) engine.Part {
	template := r.Workload != nil && r.Workload.Template
	switch {
	case r.Origin == review.OriginMutating:
		return engine.Inject
	case r.Origin == review.OriginManifest || template:
		return engine.Both
	}
	return engine.Deny
}

// patches tells whether fills become a patch: on Pods, whose resources nobody can
// change later, and where the object has yet to be stored.
func patches(r *review.Request) bool {
	return r.Workload != nil && !r.Workload.Template && r.Operation == review.Create &&
		(r.Origin == review.OriginMutating || r.Origin == review.OriginManifest)
}

// relevant leaves out what a part of the way does not need. What a mirror Pod is given
// the static Pod on the node does not have.
func relevant(bounds []guardrail.Bound, r *review.Request) []guardrail.Bound {
	if partOf(r) != engine.Inject {
		return bounds
	}
	if guardrail.MirrorPod(r) {
		return nil
	}
	return slices.DeleteFunc(bounds, func(b guardrail.Bound) bool { return !b.Policy.Mutates })
}

// judge evaluates the bound policies, and plans what is injected. What LimitRanges refuse
// of a template's Pods, and what quotas have left for them, depends on what will be
// injected into them: where either is in question, injections come first. stored gives the
// object whose Pods already are there.
func (s *Snapshot) judge(ctx context.Context, r *review.Request, bounds []guardrail.Bound, exempt guardrail.Exemptions, there *existing, stored func(*review.Request) *review.Request) ([]review.Result, mutate.Plan, error) {
	part, prediction := partOf(r), enrich(r)
	if part != engine.Both || len(r.Facts.ResourceQuotas) == 0 && (r.Workload == nil || len(r.Workload.Refusals) == 0) {
		predictPods(r, stored, prediction, nil)
		results, err := s.evaluate(ctx, r, bounds, part)
		if err != nil {
			return nil, mutate.Plan{}, err
		}
		plan, err := there.plan(ctx, r, bounds, results, exempt)
		return results, plan, err
	}
	injected, err := s.evaluate(ctx, r, bounds, engine.Inject)
	if err != nil {
		return nil, mutate.Plan{}, err
	}
	plan, err := there.plan(ctx, r, bounds, injected, exempt)
	if err != nil {
		return nil, plan, err
	}
	predictPods(r, stored, prediction, plan.Fills)
	results, err := s.evaluate(ctx, r, bounds, engine.Deny)
	for i := range results {
		results[i].Intents = injected[i].Intents
		if results[i].Err == nil {
			results[i].Err = injected[i].Err
		}
	}
	return results, plan, err
}

// evaluate gives one result per bound; bounds that share a slot share its result.
func (s *Snapshot) evaluate(ctx context.Context, r *review.Request, bounds []guardrail.Bound, part engine.Part) ([]review.Result, error) {
	slots := make([]int, 0, len(bounds))
	for _, bound := range bounds {
		if !slices.Contains(slots, bound.Slot) {
			slots = append(slots, bound.Slot)
		}
	}
	found, err := s.program.Evaluate(ctx, r, slots, part)
	if err != nil {
		return nil, err
	}
	results := make([]review.Result, len(bounds))
	for i, bound := range bounds {
		results[i] = found[slices.Index(slots, bound.Slot)]
	}
	return results, nil
}

// wishes are the intents of every binding that surely applies and that no Exemption excuses.
func wishes(r *review.Request, bounds []guardrail.Bound, results []review.Result, exempt guardrail.Exemptions) []mutate.Wish {
	if r.Workload == nil {
		return nil
	}
	var all []mutate.Wish
	for i, bound := range bounds {
		if bound.Uncertain {
			continue
		}
		for _, intent := range results[i].Intents {
			if len(exempt.Excuse(bound.Guardrail, bound.Policy.ID, intent.Container)) > 0 {
				continue
			}
			all = append(all, mutate.Wish{Bound: i, Policy: bound.Policy.ID, Guardrail: bound.Guardrail.Name, Mode: bound.Mode, Intent: intent})
		}
	}
	return all
}

// filled are the paths of the fields that injections of a mode, or a stricter one, set.
func filled(r *review.Request, fills []review.Fill, mode review.Mode) map[string]bool {
	if len(fills) == 0 {
		return nil
	}
	paths := make(map[string]bool, len(fills))
	for _, fill := range fills {
		if fill.Mode >= mode {
			paths[r.Workload.FieldPath(fill.Container, fill.Field)] = true
		}
	}
	return paths
}

// wouldFill has the fields that injections would set if their Guardrails enforced them. At
// /validate a Pod has what enforced ones have set, and nothing was planned for the others.
func (s *Snapshot) wouldFill(ctx context.Context, r *review.Request, bounds []guardrail.Bound, results []review.Result, plan mutate.Plan, exempt guardrail.Exemptions) (map[string]bool, error) {
	var raised []guardrail.Bound
	var intents []review.Result
	more := false
	for i, bound := range bounds {
		if bound.Policy.Mutates && !bound.Held {
			raised, intents = append(raised, bound), append(intents, results[i])
			more = more || bound.Mode != review.ModeEnforce
		}
	}
	if !more {
		return filled(r, plan.Fills, review.ModeEnforce), nil
	}
	if partOf(r) == engine.Deny {
		earlier := *r
		earlier.Origin = review.OriginMutating
		var err error
		if intents, err = s.evaluate(ctx, &earlier, raised, engine.Inject); err != nil {
			return nil, err
		}
	}
	plan, err := mutate.NewPlan(r, wishes(r, raised, intents, exempt))
	return filled(r, plan.Fills, review.ModeAudit), err
}

// gapFindings report what could not be injected. They never deny: whether a gap is
// refused is for the policies that look at the field.
func gapFindings(r *review.Request, bounds []guardrail.Bound, gaps []mutate.Gap) []review.Finding {
	var findings []review.Finding
	for _, gap := range gaps {
		policy := bounds[gap.Bound].Policy
		findings = append(findings, review.Finding{
			Policy:      gap.Policy,
			Guardrails:  gap.Guardrails,
			Mode:        min(gap.Mode, review.ModeWarn),
			Severity:    policy.Severity,
			Container:   gap.Container,
			Path:        r.Workload.FieldPath(gap.Container, gap.Field),
			Key:         gap.Container + "." + gap.Field,
			Message:     gap.Reason,
			Remediation: policy.Remediation,
		})
	}
	return findings
}

// before is what the bound policies say of the stored object. Where that is too much to be
// looked at they say nothing, or whoever could once store such an object could put anything
// in its place. Where it cannot be decided they all fail. An error means that ctx ended.
func (s *Snapshot) before(ctx context.Context, r *review.Request, bounds []guardrail.Bound, exempt guardrail.Exemptions, there *existing) ([]review.Result, error) {
	results := make([]review.Result, len(bounds))
	old, err := normalize.Old(r)
	if _, tooMuch := errors.AsType[*normalize.LimitError](err); tooMuch {
		return results, nil
	}
	if err == nil && old == nil {
		err = errNothingStored
	}
	var found []review.Result
	if err == nil {
		// With what is injected into its Pods, as for the new object: what a LimitRange says
		// of a total is about the total, which injections are part of.
		found, _, err = s.judge(ctx, old, bounds, exempt, there, itself)
		if err == nil || ctx.Err() != nil {
			return found, err
		}
	}
	for i := range results {
		results[i].Err = err
	}
	return results, nil
}

var errNothingStored = errors.New("an UPDATE without a stored object")
