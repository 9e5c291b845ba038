package audit

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/report"
)

// mapRetry is how often a kind is looked for that the cluster does not serve.
const mapRetry = time.Minute

// Facts is what an Auditor decides by.
type Facts interface {
	pipeline.FactSource

	// Namespaces returns the existing namespaces.
	Namespaces(ctx context.Context) ([]decision.Namespace, error)
}

// AuditorOptions configures an Auditor. All fields are required unless noted otherwise.
type AuditorOptions struct {
	Objects *Objects
	Facts   Facts
	Mapper  meta.RESTMapper
	// Pace is how many objects a second are decided that have not just changed. Those that have are decided at once.
	Pace float64
	// Resync is the time after which every object is decided again although nothing has changed.
	Resync time.Duration
	// OwnerLabels are labels or annotations of an object, or else of its namespace, whose value names the owner. The
	// first that is set counts. It is optional.
	OwnerLabels []string
	// Seen returns when an earlier audit first saw a result. It is called once per finding.
	Seen func(resultID string) (time.Time, bool)
	// Changed is called when the findings of a namespace, or with "" those about cluster-scoped objects, have changed.
	// StateChanged is called when a pass has ended or begun. Neither may block, or call the Auditor.
	Changed      func(namespace string)
	StateChanged func()
	Now          func() time.Time
	Log          logr.Logger
}

// Auditor keeps the findings about the objects of a cluster up to date. It keeps no objects: its memory grows with what
// it finds, and by some 50 bytes for each object that is decided on its own.
type Auditor struct {
	options  AuditorOptions
	objects  *Objects
	pace     *rate.Limiter
	found    *findings
	log      logr.Logger
	counters counters
	// current decides; nil before the first configuration.
	current atomic.Pointer[pipeline.Decider]
	// notify makes Run reconcile.
	notify chan struct{}

	mutex sync.Mutex
	kinds map[schema.GroupKind]*runningKind
	// unserved has the bound kinds that the cluster does not serve.
	unserved map[schema.GroupKind]error
	scopes   *scopes
	began    time.Time
}

// runningKind is a kind that is audited.
type runningKind struct {
	*kindAuditor

	stop context.CancelFunc
}

// NewAuditor returns an Auditor that is ready to Run.
func NewAuditor(o AuditorOptions) *Auditor {
	return &Auditor{
		options: o, objects: o.Objects, pace: rate.NewLimiter(rate.Limit(o.Pace), max(1, int(o.Pace/10))), found: newFindings(o.Seen), log: o.Log,
		notify: make(chan struct{}, 1), kinds: map[schema.GroupKind]*runningKind{}, unserved: map[schema.GroupKind]error{}, scopes: newScopes(),
		began: o.Now(),
	}
}

func (a *Auditor) now() time.Time { return a.options.Now() }

func (a *Auditor) changed(namespace string) { a.options.Changed(namespace) }

func (a *Auditor) stateChanged() { a.options.StateChanged() }

// Configure puts a configuration into force. What the change touches is decided again.
func (a *Auditor) Configure(decider *pipeline.Decider) {
	a.current.Store(decider)
	a.trigger()
}

func (a *Auditor) trigger() {
	select {
	case a.notify <- struct{}{}:
	default:
	}
}

// Run audits until ctx ends. It must be called once.
func (a *Auditor) Run(ctx context.Context) {
	var kinds sync.WaitGroup
	defer kinds.Wait()
	resync := time.NewTicker(a.options.Resync)
	defer resync.Stop()
	for {
		next := a.reconcile(ctx, &kinds)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-resync.C:
			for _, k := range a.running() {
				k.backlog.addAll()
			}
		case <-timer.C:
		case <-a.notify:
			sleep(ctx, settle) // more may follow
		}
		timer.Stop()
	}
}

// reconcile audits the kinds that are bound, and no others, and puts what has been touched into their backlogs. It
// returns when the configuration changes by time alone.
func (a *Auditor) reconcile(ctx context.Context, group *sync.WaitGroup) (next time.Duration) {
	decider := a.current.Load()
	if decider == nil {
		return mapRetry
	}
	targets := Targets(decider.Snapshot())
	next = mapRetry
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for kind, k := range a.kinds {
		if !slices.ContainsFunc(targets, func(t Target) bool { return t.Kind == kind }) {
			k.stop()
			delete(a.kinds, kind)
			delete(a.scopes.kinds, kind)
		}
	}
	clear(a.unserved)
	var fresh []schema.GroupKind
	for _, target := range targets {
		if a.kinds[target.Kind] != nil {
			a.kinds[target.Kind].reset()
			continue
		}
		mapping, err := a.options.Mapper.RESTMapping(target.Kind)
		if err != nil {
			a.unserved[target.Kind] = err
			continue
		}
		within, stop := context.WithCancel(ctx)
		k := &runningKind{newKindAuditor(a, mapping), stop}
		a.kinds[target.Kind] = k
		fresh = append(fresh, target.Kind)
		group.Go(func() { k.run(within) })
	}
	now := a.now()
	namespaces, err := a.options.Facts.Namespaces(ctx)
	if err != nil {
		a.log.Error(err, "Cannot list namespaces, trying again")
		return firstRetry
	}
	for kind, touched := range a.scopes.update(decider.Snapshot(), targets, namespaces, now) {
		if k := a.kinds[kind]; k != nil && !slices.Contains(fresh, kind) {
			k.decideSoon(touched...)
		}
	}
	if expiry := decider.Snapshot().NextExpiry(now); !expiry.IsZero() {
		next = min(next, max(expiry.Sub(now), 0)+time.Millisecond)
	}
	a.options.StateChanged()
	return next
}

// NamespaceChanged is to be called when the labels or annotations of a namespace have changed. Everything in it is
// decided again.
func (a *Auditor) NamespaceChanged(name string) {
	for _, k := range a.running() {
		k.reset()
		k.decideSoon(name)
	}
	a.trigger()
}

// NamespaceAdded is to be called when there is a new namespace.
func (a *Auditor) NamespaceAdded() { a.trigger() }

// NamespaceDeleted is to be called when a namespace no longer exists.
func (a *Auditor) NamespaceDeleted(name string) {
	for _, k := range a.running() {
		k.reset()
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.scopes.forget(name)
}

// FactChanged is to be called when an object has changed that policies read: in a namespace, or with "" in all. later
// is set for changes that follow one another.
func (a *Auditor) FactChanged(fact decision.Fact, namespace string, later bool) {
	decider := a.current.Load()
	if decider == nil {
		return
	}
	for _, k := range a.running() {
		target, bound := TargetOf(decider.Snapshot(), k.mapping.GroupVersionKind.GroupKind())
		switch {
		case !bound || !target.Reads(fact):
		case namespace == "":
			k.backlog.addAll()
		case later && k.hasPlace(namespace):
			k.backlog.addLater(namespace)
		default:
			k.decideSoon(namespace)
		}
	}
}

func (a *Auditor) running() []*runningKind {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	all := make([]*runningKind, 0, len(a.kinds))
	for _, k := range a.kinds {
		all = append(all, k)
	}
	return all
}

// kindDecider returns what decides a kind under the configuration in force.
func (a *Auditor) kindDecider(mapping *meta.RESTMapping) *KindDecider {
	scanner := &Scanner{Objects: a.objects, Facts: a.options.Facts}
	return scanner.Decider(a.current.Load(), mapping)
}

// ownerOf returns the owner of an object, or "".
func (a *Auditor) ownerOf(ctx context.Context, r *decision.Request) string {
	metadata, _ := r.Object["metadata"].(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		values, _ := metadata[field].(map[string]any)
		for _, name := range a.options.OwnerLabels {
			if value, ok := values[name].(string); ok && value != "" {
				return value
			}
		}
	}
	if r.Namespace.Name == "" {
		return ""
	}
	namespace, err := a.options.Facts.Namespace(ctx, r.Namespace.Name)
	if err != nil {
		return ""
	}
	for _, name := range a.options.OwnerLabels {
		if value := namespace.Labels[name]; value != "" {
			return value
		}
	}
	return ""
}

// Findings returns the objects of a namespace in which something was found, sorted, and what is not listed.
func (a *Auditor) Findings(namespace string) ([]report.AuditedObject, report.Passes) {
	objects, exempted := a.found.in(namespace)
	passes := report.Passes{Exempted: exempted}
	for _, k := range a.running() {
		passes.Passed += k.tallyOf(namespace).passed
	}
	return objects, passes
}

// Namespaces returns the namespaces in which something was found, with "" for cluster-scoped objects.
func (a *Auditor) Namespaces() []string { return a.found.namespaces() }
