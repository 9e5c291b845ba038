package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/replay/auditlog"
	"taffrail.dev/webhook/request"
)

// DefaultMemory is the default of Options.Memory.
const DefaultMemory = 32 << 20

// DefaultExclude returns the namespaces that the chart never sends to Taffrail.
func DefaultExclude() []string { return []string{"kube-system", "kube-node-lease", "kube-public"} }

// Options configures a Replayer.
type Options struct {
	// Snapshot is the configuration to decide by, and MaxMode the cap of every mode; 0 means no cap.
	Snapshot *config.Snapshot
	MaxMode  decision.Mode
	// Against is a second configuration to decide by, or nil.
	Against *config.Snapshot
	// Facts has what is not in the log, as it is at some later time. If nil, it is unknown.
	Facts pipeline.FactSource
	// History is what the log as a whole has of facts. If nil, facts count as unchanged after the log's last write of
	// them, and as missing from the log until it has the first.
	History *History
	// Exclude has the namespaces that the webhook configurations do not send.
	Exclude []string
	// Memory limits what the last known objects take, in bytes. It defaults to DefaultMemory.
	Memory int
}

// Replayer decides the writes of an audit log. It is not safe for concurrent use.
type Replayer struct {
	options Options
	store   *store
	facts   *facts
	lookup  *lookup
	now     time.Time
	// deciders has that of the Snapshot, and that of Against if there is one.
	deciders []*pipeline.Decider
	kinds    *Kinds
}

// New returns a Replayer that has seen no write.
func New(o Options) (*Replayer, error) {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	objects, err := newStore(o.Memory)
	if err != nil {
		return nil, err
	}
	r := &Replayer{options: o, store: objects, facts: newFacts(o.Facts, o.History), lookup: &lookup{store: objects}}
	for _, snapshot := range []*config.Snapshot{o.Snapshot, o.Against} {
		if snapshot == nil {
			continue
		}
		r.deciders = append(r.deciders, pipeline.New(snapshot, r.facts, pipeline.Options{
			MaxMode: o.MaxMode, Live: r.lookup, Pods: r.lookup, Now: func() time.Time { return r.now },
		}))
	}
	r.kinds = KindsOf(o.Snapshot, o.Against)
	return r, nil
}

// Evicted returns the number of objects that were forgotten for want of memory.
func (r *Replayer) Evicted() int64 { return r.store.evicted }

// Status is what became of a write in the replay.
type Status string

// The Statuses.
const (
	// StatusDecided is a write with a Decision.
	StatusDecided Status = "decided"
	// StatusUnknown is a write that admission would decide, and of which the log does not have enough.
	StatusUnknown Status = "unknown"
	// StatusNotSent is a write that the webhook configurations do not send: of another kind or subresource, in an
	// excluded namespace, or one that changes nothing.
	StatusNotSent Status = "notSent"
	// StatusDryRun is a write that stores nothing.
	StatusDryRun Status = "dryRun"
	// StatusUnreached is a write that the API server refused before it would have called /validate, or because of a
	// conflict with another write, after which clients try again.
	StatusUnreached Status = "refusedBefore"
)

// Result is what admission would have made of one write.
type Result struct {
	Event  *auditlog.Event
	Status Status
	// Reason is why the Status is unknown.
	Reason string
	// Kind is zero if the webhook configurations do not send it.
	Kind schema.GroupVersionKind
	// Covered is true if a policy covers the Kind.
	Covered bool
	// Request is nil unless the Status is decided. It is the one at /validate.
	Request *decision.Request
	// Refused is true if the API server has refused the write during or after validation: because of Taffrail or a quota,
	// or because the object exists.
	Refused bool
	// Undone is true if the log has the object with values that Taffrail had filled in, which were removed before it was
	// decided. Filled is true if they cannot be removed, so that the Status is unknown.
	Undone, Filled bool
	// Outcomes has that of the Snapshot, and that of Against if there is one.
	Outcomes []Outcome
}

// Outcome is what one configuration makes of a write.
type Outcome struct {
	// Mutating is the decision at /mutate about a new Pod, and nil for everything else.
	Mutating *decision.Decision
	// Validating is the decision at /validate, of the object as patched.
	Validating *decision.Decision
	// Err is set if there is no decision.
	Err error
}

// Verdict returns the verdict about the write.
func (o *Outcome) Verdict() decision.Verdict {
	verdict := decision.VerdictAllow
	for _, d := range []*decision.Decision{o.Mutating, o.Validating} {
		if d != nil {
			verdict = max(verdict, d.Verdict)
		}
	}
	return verdict
}

// Unbound reports whether no policy applies to the object.
func (o *Outcome) Unbound() bool {
	return o.Validating != nil && o.Validating.Unbound && (o.Mutating == nil || o.Mutating.Unbound)
}

// Write decides a write, and takes what it has stored into account for later ones. Writes must come by time.
func (r *Replayer) Write(ctx context.Context, e *auditlog.Event) Result {
	result := Result{Event: e}
	w := r.prepare(e)
	result.Kind, result.Status, result.Reason = w.kind, w.status, w.reason
	result.Covered = r.kinds.covers(w.kind)
	result.Filled = w.status == StatusUnknown && w.reason == reasonFills
	if w.status == StatusDecided {
		r.now = e.Completed
		result.Refused, result.Undone = w.refused, w.object.undone
		r.decide(ctx, w, &result)
	}
	r.take(w)
	return result
}

// decide decides a write by every configuration.
func (r *Replayer) decide(ctx context.Context, w *write, result *Result) {
	e := w.event
	identity := decision.Request{
		UID: e.AuditID, Operation: operationOf(e), Kind: w.kind, Subresource: e.Object.Subresource, Name: w.key.object,
		User: decision.User{Name: e.User.Username, UID: e.User.UID, Groups: e.User.Groups, Extra: e.User.Extra},
	}
	identity.Namespace.Name = w.key.namespace
	if w.kind == binding {
		identity.Operation = decision.Create
	}
	for _, decider := range r.deciders {
		outcome, req := r.outcome(ctx, decider, w, identity)
		result.Outcomes = append(result.Outcomes, outcome)
		if result.Request == nil {
			result.Request = req
		}
		if errors.Is(outcome.Err, request.ErrNotObject) {
			result.Status, result.Reason, result.Outcomes = StatusUnknown, "its object in the log is not JSON", nil
			return
		}
	}
}

// outcome decides a write by one configuration: a new Pod at /mutate first, and then the object as patched.
func (r *Replayer) outcome(ctx context.Context, decider *pipeline.Decider, w *write, identity decision.Request) (o Outcome, validating *decision.Request) {
	r.facts.reset(w.event.Received, r.now, w.object.head.version)
	r.lookup.reset(w.known)
	if w.object.fromRequest && w.key.resource == pods {
		r.facts.missing[decision.FactLimitRanges] = "the log has the Pod as it was sent, without what LimitRanges have added"
	}
	text := w.object.text
	if w.kind.GroupKind() == (schema.GroupKind{Kind: "Pod"}) && identity.Operation == decision.Create {
		identity.Origin = decision.OriginMutating
		var mutating *decision.Request
		mutating, o.Err = request.Recorded(identity, text, nil)
		if limit, ok := errors.AsType[*request.LimitError](o.Err); ok {
			return r.oversized(ctx, decider, limit, identity)
		} else if o.Err != nil {
			return o, nil
		}
		if o.Mutating, o.Err = decider.Decide(ctx, mutating); o.Err != nil {
			return o, nil
		}
		r.qualify(w, o.Mutating)
		if text, o.Err = applyPatch(text, o.Mutating.Patch); o.Err != nil {
			o.Err = fmt.Errorf("applying the patch of /mutate: %w", o.Err)
			return o, nil
		}
	}
	identity.Origin = decision.OriginValidating
	validating, o.Err = request.Recorded(identity, text, w.old())
	if limit, ok := errors.AsType[*request.LimitError](o.Err); ok {
		return r.oversized(ctx, decider, limit, identity)
	} else if o.Err != nil {
		return o, nil
	}
	if o.Validating, o.Err = decider.Decide(ctx, validating); o.Err != nil {
		return o, validating
	}
	r.qualify(w, o.Validating)
	return o, validating
}

// qualify makes denials unknown that depend on an object that is not in the log.
func (r *Replayer) qualify(w *write, d *decision.Decision) {
	why := r.lookup.incomplete
	if w.isUpdate() && w.before == nil {
		why = "the stored object is not known, and may already have it"
	}
	if why == "" {
		return
	}
	for i := range d.Findings {
		if f := &d.Findings[i]; f.Denies() {
			f.Unknown, f.WouldDeny = why, false
		}
	}
	d.Verdict = decision.Worst(d.Findings)
}

// oversized decides a write of an object that exceeds the limits of inspection, as admission does.
func (r *Replayer) oversized(ctx context.Context, decider *pipeline.Decider, limit *request.LimitError, identity decision.Request) (o Outcome, validating *decision.Request) {
	if limit.Request != nil {
		identity = *limit.Request
	}
	identity.Origin = decision.OriginValidating
	o.Validating, o.Err = decider.DecideOversized(ctx, &request.LimitError{What: limit.What, Limit: limit.Limit, Request: &identity})
	return o, &identity
}
