package pipeline

import (
	"context"
	"fmt"
	"time"

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

// Options are what a Decider asks besides facts, and the ceiling on modes.
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

// Decider decides requests under one Snapshot. It is immutable and safe for concurrent use.
type Decider struct {
	snapshot *config.Snapshot
	facts    FactSource
	options  Options
}

// New returns a Decider that decides by the facts of one source.
func New(snapshot *config.Snapshot, facts FactSource, o Options) *Decider {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Decider{snapshot: snapshot, facts: facts, options: o}
}

// Snapshot returns the configuration that it decides under.
func (p *Decider) Snapshot() *config.Snapshot { return p.snapshot }

// ID returns that of its Snapshot.
func (p *Decider) ID() string { return p.snapshot.ID() }

// Decide decides one request, which it leaves as it is. An error means that nothing
// can be said, and never that the object is fine; a policy that fails alone is in
// Decision.Errors instead.
func (p *Decider) Decide(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	d, err := p.decideObject(ctx, r)
	if err != nil {
		return nil, err
	}
	claim, err := p.decideClaim(ctx, r)
	if err != nil {
		return nil, err
	}
	ambiguity, err := p.decideAmbiguous(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, more := range []*decision.Decision{claim, ambiguity} {
		if more != nil {
			join(d, more)
		}
	}
	return d, nil
}

func (p *Decider) decideObject(ctx context.Context, r *decision.Request) (*decision.Decision, error) {
	if request.IsRevision(r.Kind.GroupKind()) {
		return p.decideRevision(ctx, r)
	}
	if isBinding(r) {
		return p.decideBinding(ctx, r)
	}
	return p.decide(ctx, r, scope{})
}

// decide decides an object, or a part of it, and what is denied or injected once more where
// facts that were read after the request arrived differ.
func (p *Decider) decide(ctx context.Context, r *decision.Request, part scope) (*decision.Decision, error) {
	d, b, err := p.decideOnce(ctx, r, part)
	if err != nil || b == nil {
		return d, err
	}
	return p.confirm(ctx, r, b, d, part)
}

// decideOnce is the way from a request to its Decision, by the facts of one source. The
// basis is nil if the decision rests on none.
func (p *Decider) decideOnce(ctx context.Context, original *decision.Request, part scope) (*decision.Decision, *basis, error) {
	if !decided(original) {
		return &decision.Decision{Verdict: decision.VerdictAllow}, nil, nil
	}
	copied := *original
	r := &copied

	// Bindings.
	bindings, err := p.resolve(ctx, r)
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
	part.setTrust(bindings, r)
	exempt := part.exemptions(p.snapshot.Exemptions().For(r, p.options.Now()))

	// Facts.
	wanted := wantedFacts(r, bindings)
	if len(wanted) > 0 {
		if r.Facts, err = p.facts.Facts(ctx, factNamespace(r), wanted); err != nil {
			return nil, nil, fmt.Errorf("learning the facts of namespace %q: %w", factNamespace(r), err)
		}
	}

	// Prediction, evaluation and injection.
	templates := p.existingOf(r)
	results, plan, err := p.evaluate(ctx, r, bindings, exempt, templates, storedRequest)
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("placing injections: %w", err)
	}
	would, err := p.wouldFill(ctx, r, bindings, results, plan, exempt)
	if err != nil {
		return nil, nil, err
	}

	// What was found, and what of it is tolerated.
	if err := p.distrust(ctx, r, bindings, results); err != nil {
		return nil, nil, err
	}
	e := &evidence{
		request: r, bindings: bindings, results: results, exemptions: exempt, only: part.only,
		filled: filled(r, plan.Fills, decision.ModeEnforce), undecided: undecidedFields(r, plan.Fills), wouldFill: would,
	}
	candidates := e.candidates()
	if err := p.tolerateExisting(ctx, e, candidates, templates); err != nil {
		return nil, nil, err
	}
	if err := p.tolerateRestored(ctx, e, candidates, part); err != nil {
		return nil, nil, err
	}

	// The Decision.
	d := e.decision(candidates, gapFindings(r, bindings, plan.Gaps))
	d.Fills = plan.Fills
	if patches(r) {
		d.Patch = patchFor(r, plan.Fills)
	}
	return d, &basis{request: r, bounds: bindings, wanted: wanted, injects: injects(plan)}, nil
}
