package pipeline

import (
	"context"
	"fmt"
	"time"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// FactSource returns what exists in the cluster around an object. Implementations must be safe
// for concurrent use. An error is an internal error of the decision.
type FactSource interface {
	Namespace(ctx context.Context, name string) (decision.Namespace, error)
	// Facts returns everything of each wanted kind in the namespace. StorageClasses are
	// cluster-scoped.
	Facts(ctx context.Context, namespace string, wanted []decision.Fact) (decision.Facts, error)
}

// Options configures a Decider. All fields are optional.
type Options struct {
	// MaxMode caps the mode of every binding; 0 means no cap.
	MaxMode decision.Mode
	// Live finds the objects that a request may have been made from. If nil, no such object is
	// known.
	Live Live
	// Pods reads the Pod of a Binding. If nil, a Binding with labels or annotations cannot be
	// decided.
	Pods PodReader
	// Webhooks returns what the webhook configurations select. If nil, Relax considers
	// Guardrails only.
	Webhooks Webhooks
	// Templates dates Pod templates. If nil, every template counts as written now.
	Templates Templates
	// Fresh reads facts from the API server, bypassing caches. Leave it nil if the FactSource
	// does so already.
	Fresh FactSource
	// Evaluations is notified of what policies return for requests. If nil, nobody is.
	Evaluations Evaluations
	// Now is the clock for the expiry of Exemptions. It defaults to time.Now.
	Now func() time.Time
}

// Decider decides requests under one Snapshot. It is immutable and safe for concurrent use.
type Decider struct {
	snapshot *config.Snapshot
	facts    FactSource
	options  Options
}

// New returns a Decider for one snapshot that reads facts from one source.
func New(snapshot *config.Snapshot, facts FactSource, o Options) *Decider {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Decider{snapshot: snapshot, facts: facts, options: o}
}

// Snapshot returns the configuration that the Decider applies.
func (d *Decider) Snapshot() *config.Snapshot { return d.snapshot }

// ID returns the ID of the Decider's Snapshot.
func (d *Decider) ID() string { return d.snapshot.ID() }

// Decide returns the decision about a request, which it does not modify. On error the request
// is undecided and must not be treated as allowed. A policy that fails on its own is reported
// in Decision.Errors instead.
func (d *Decider) Decide(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	result, err := d.decideObject(ctx, r)
	if err != nil {
		return nil, err
	}
	claim, err := d.decideAdoptable(ctx, r)
	if err != nil {
		return nil, err
	}
	ambiguity, err := d.decideAmbiguous(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, more := range []*decision.Decision{claim, ambiguity} {
		if more != nil {
			join(result, more)
		}
	}
	return result, nil
}

func (d *Decider) decideObject(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	if request.IsRevision(r.Kind.GroupKind()) {
		return d.decideRevision(ctx, r)
	}
	if isBinding(r) {
		return d.decideBinding(ctx, r)
	}
	return d.decide(ctx, r, scope{})
}

// decide decides an object, or one part of it. A decision that denies or injects is repeated if
// facts that are read after the request arrived differ.
func (d *Decider) decide(ctx context.Context, r *decision.Request, within scope) (*decision.Decision, error) {
	result, b, err := d.decideOnce(ctx, r, within, d.facts)
	if err != nil || b == nil {
		return result, err
	}
	return d.confirm(ctx, r, b, result, within)
}

// decideOnce takes a request to its Decision with the facts of one source. The returned basis
// is nil if the decision depends on no facts.
func (d *Decider) decideOnce(ctx context.Context, original *decision.Request, within scope, facts FactSource) (*decision.Decision, *basis, error) {
	if !needsDecision(original) {
		return &decision.Decision{Verdict: decision.VerdictAllow}, nil, nil
	}
	copied := *original
	r := &copied

	// Bindings.
	bindings, err := d.resolve(ctx, r, facts)
	if err != nil {
		return nil, nil, err
	}
	if len(bindings) == 0 {
		return &decision.Decision{Verdict: decision.VerdictAllow, Unbound: true}, nil, nil
	}
	bindings = relevant(bindings, r)
	if len(bindings) == 0 {
		return &decision.Decision{Verdict: decision.VerdictAllow}, nil, nil
	}
	within.setTrust(bindings, r)
	exemptions := within.exemptions(d.snapshot.Exemptions().For(r, d.options.Now()))

	// Facts.
	wanted := wantedFacts(r, bindings)
	if len(wanted) > 0 {
		if r.Facts, err = facts.Facts(ctx, factNamespace(r), wanted); err != nil {
			return nil, nil, fmt.Errorf("reading the facts of namespace %q: %w", factNamespace(r), err)
		}
	}

	// Prediction, evaluation and injection.
	planner := d.plannerFor(r)
	results, plan, err := d.evaluate(ctx, r, bindings, exemptions, planner, newObject)
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("planning injections: %w", err)
	}
	would, err := d.wouldFill(ctx, r, bindings, results, plan, exemptions)
	if err != nil {
		return nil, nil, err
	}

	// Evidence.
	if err := d.distrust(ctx, r, bindings, results); err != nil {
		return nil, nil, err
	}
	undecided, err := d.unreadFills(ctx, r, bindings, exemptions, undecidedFields(r, plan.Fills))
	if err != nil {
		return nil, nil, err
	}
	e := &evidence{
		request: r, bindings: bindings, results: results, exemptions: exemptions, only: within.only,
		filled: filled(r, plan.Fills, decision.ModeEnforce), undecided: undecided, wouldFill: would,
	}
	candidates := e.candidates()

	// Comparison with the stored object, and with what the object may be made from. Both are read only if something
	// would be denied otherwise.
	open := e.blocking(candidates)
	if len(open) > 0 {
		open = e.tolerateByScope(open, updateScopeOf(r))
	}
	if len(open) > 0 {
		stored, err := d.evaluateStored(ctx, r, bindings, exemptions, planner)
		if err := e.tolerateBaseline(open, stored, err); err != nil {
			return nil, nil, err
		}
	}
	if anyDenies(candidates) {
		existing, err := d.findExistingFields(ctx, r, bindings, within.revision)
		if err != nil {
			return nil, nil, fmt.Errorf("looking for what the object may be made from: %w", err)
		}
		markExisting(candidates, existing)
	}

	// The Decision.
	result := e.decision(candidates, gapFindings(r, bindings, plan.Gaps))
	result.Fills = plan.Fills
	if patches(r) {
		result.Patch = patchFor(r, plan.Enforced)
	}
	return result, &basis{request: r, bindings: bindings, wanted: wanted, injects: injects(plan)}, nil
}
