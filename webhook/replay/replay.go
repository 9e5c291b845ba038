package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	// Facts has what is not in the log. If nil, it is unknown.
	Facts pipeline.FactSource
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
	covered  map[schema.GroupKind]bool
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
	r := &Replayer{options: o, store: objects, facts: newFacts(o.Facts), lookup: &lookup{store: objects}, covered: map[schema.GroupKind]bool{}}
	for _, snapshot := range []*config.Snapshot{o.Snapshot, o.Against} {
		if snapshot == nil {
			continue
		}
		r.deciders = append(r.deciders, pipeline.New(snapshot, r.facts, pipeline.Options{
			MaxMode: o.MaxMode, Live: r.lookup, Pods: r.lookup, Now: func() time.Time { return r.now },
		}))
		for _, policy := range snapshot.Catalog().Policies() {
			for _, kind := range policy.Kinds {
				r.covered[kind] = true
			}
		}
	}
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
	// Kind is zero if no policy covers it.
	Kind schema.GroupVersionKind
	// Request is nil unless the Status is decided. It is the one at /validate.
	Request *decision.Request
	// Refused is true if the API server has refused the write after /validate.
	Refused bool
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
	if w.status == StatusDecided {
		r.now = e.Completed
		result.Refused = w.refused
		r.decide(ctx, w, &result)
	}
	r.take(e, w)
	return result
}

// write is a write with what is known about its object.
type write struct {
	event   *auditlog.Event
	kind    schema.GroupVersionKind
	aspect  aspect
	key     objectKey
	status  Status
	reason  string
	refused bool

	object written
	head   head
	// before is the state before the write, or nil if it is not known or there was none.
	before *known
	// old is the object before an UPDATE, or nil if it is not known.
	old     []byte
	oldHead head
}

// prepare finds out whether admission would decide a write, and by which objects.
func (r *Replayer) prepare(e *auditlog.Event) *write {
	w := &write{event: e, aspect: aspectOf(e), status: StatusNotSent}
	w.key = objectKey{resourceOf(&e.Object), namespaceOf(&e.Object), e.Object.Name}
	w.kind = r.kindOf(e, w)
	if isDryRun(e) {
		w.status = StatusDryRun
		return w
	}
	if w.kind == (schema.GroupVersionKind{}) || e.Verb == "delete" || e.Verb == "deletecollection" {
		return w
	}
	if w.aspect != whole && w.aspect != metadata && w.aspect != binds {
		return w
	}
	at := stageOf(e)
	w.refused = at == reached
	switch at {
	case unreached:
		w.status = StatusUnreached
		return w
	case unclear:
		w.status, w.reason = StatusUnknown, "it failed, and the log does not show whether before or after validation"
	case reached, succeeded:
		w.status = StatusDecided
	}
	r.findObjects(w)
	r.skipUnsent(w)
	return w
}

// kindOf returns the kind of the object that a write is for, or zero if no policy covers it.
func (r *Replayer) kindOf(e *auditlog.Event, w *write) schema.GroupVersionKind {
	if w.aspect == binds {
		return binding
	}
	if kind, found := kinds[w.key.resource]; found {
		return kind
	}
	for _, text := range [][]byte{e.ResponseObject, e.RequestObject} {
		h := headOf(text)
		kind := schema.FromAPIVersionAndKind(h.apiVersion, h.kind)
		if kind.Group == e.Object.APIGroup && kind.Group != "" && r.covered[kind.GroupKind()] {
			return kind
		}
	}
	return schema.GroupVersionKind{}
}

// findObjects finds the object of a write, and the one before it.
func (r *Replayer) findObjects(w *write) {
	e := w.event
	response := headOf(e.ResponseObject)
	if w.key.object == "" && response.kind == w.kind.Kind {
		w.key.object = response.name
	}
	update := operationOf(e) == decision.Update
	if w.before = r.store.get(w.key); w.before != nil && update {
		text := r.store.textOf(w.before)
		if h := headOf(text); precedes(&h, &response) {
			w.old, w.oldHead = text, h
		}
	}
	object, reason := objectOf(e, w.kind, w.old)
	if reason != "" {
		if w.status == StatusDecided {
			w.status, w.reason = StatusUnknown, reason
		}
		return
	}
	w.object, w.head = object, headOf(object.text)
	if w.key.object == "" {
		w.key.object = w.head.name
	}
}

// precedes reports whether an object may be the state right before another: of the same object, not later, and without
// a change of the specification in between.
func precedes(old, updated *head) bool {
	switch {
	case updated.uid == "":
		return true // the response is not in the log
	case old.uid != "" && old.uid != updated.uid:
		return false
	case isLater(old.version, updated.version):
		return false
	}
	return updated.generation == 0 || old.generation == 0 || updated.generation <= old.generation+1
}

// skipUnsent sets the status of writes that the webhook configurations do not send.
func (r *Replayer) skipUnsent(w *write) {
	e := w.event
	namespace := w.key.namespace
	if w.key.resource == namespaces {
		namespace = w.key.object
	}
	switch {
	case slices.Contains(r.options.Exclude, namespace),
		w.aspect == whole && w.object.text != nil && w.old != nil && endsDeletion(w),
		w.aspect != whole && isControlPlane(e.User.Username),
		w.aspect == metadata && w.object.text != nil && w.old != nil && sameMetadata(&w.head, &w.oldHead),
		w.aspect == binds && w.object.text != nil && !carriesMetadata(&w.head):
		w.status, w.reason = StatusNotSent, ""
	case w.aspect == metadata && w.status == StatusDecided && w.old == nil:
		w.status, w.reason = StatusUnknown, "whether it changes labels or annotations is not known, because the object before it is not in the log"
	}
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
		identity.Operation, w.old = decision.Create, nil
	}
	for _, decider := range r.deciders {
		outcome, req := r.outcome(ctx, decider, w, identity)
		result.Outcomes = append(result.Outcomes, outcome)
		if result.Request == nil {
			result.Request = req
		}
		if limit, ok := errors.AsType[*request.LimitError](outcome.Err); ok {
			result.Status, result.Reason, result.Outcomes = StatusUnknown, "it is too large to be inspected: "+limit.Error(), nil
			return
		}
		if errors.Is(outcome.Err, request.ErrNotObject) {
			result.Status, result.Reason, result.Outcomes = StatusUnknown, "its object in the log is not JSON", nil
			return
		}
	}
}

// outcome decides a write by one configuration: a new Pod at /mutate first, and then the object as patched.
func (r *Replayer) outcome(ctx context.Context, decider *pipeline.Decider, w *write, identity decision.Request) (o Outcome, validating *decision.Request) {
	r.facts.reset()
	r.lookup.reset(w.before != nil && w.before.born)
	if w.object.fromRequest && w.key.resource == pods {
		r.facts.missing[decision.FactLimitRanges] = "what LimitRanges add to the Pod is not in the log at level Request"
	}
	text := w.object.text
	if w.kind.GroupKind() == (schema.GroupKind{Kind: "Pod"}) && identity.Operation == decision.Create {
		identity.Origin = decision.OriginMutating
		var mutating *decision.Request
		if mutating, o.Err = request.Recorded(identity, text, nil); o.Err != nil {
			return o, nil
		}
		if o.Mutating, o.Err = decider.Decide(ctx, mutating); o.Err != nil {
			return o, nil
		}
		r.qualify(w, o.Mutating)
		if text, o.Err = patch(text, o.Mutating.Patch); o.Err != nil {
			return o, nil
		}
	}
	identity.Origin = decision.OriginValidating
	if validating, o.Err = request.Recorded(identity, text, w.old); o.Err != nil {
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
	if operationOf(w.event) == decision.Update && w.old == nil && w.kind != binding {
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

// patch applies the patch of a decision to the text of an object.
func patch(text []byte, operations []decision.PatchOperation) ([]byte, error) {
	if len(operations) == 0 {
		return text, nil
	}
	patched, err := applyPatch(text, operations)
	if err != nil {
		return nil, fmt.Errorf("applying the patch of /mutate: %w", err)
	}
	return patched, nil
}
