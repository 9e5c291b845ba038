package audit

import (
	"context"
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
	// Changed is called when the findings of a namespace, or with "" those about cluster-scoped objects, have changed.
	// StateChanged is called when State may have changed: a kind was read or cannot be, a pass has ended, or another
	// configuration is in force. Neither may block, or call the Auditor.
	Changed      func(namespace string)
	StateChanged func()
	// Found is called when the findings of an object have changed, and there are some. It must not block. It is optional.
	Found func(Found)
	Now   func() time.Time
	Log   logr.Logger
}

// Found is an object with its findings.
type Found struct {
	Kind                        schema.GroupVersionKind
	Namespace, Name, UID, Owner string
	Findings                    []decision.Finding
	// Changed is set if the object itself has just changed, and not only been read.
	Changed bool
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
	// reconciled is true once it is known which kinds to audit.
	reconciled bool
	kinds      map[schema.GroupKind]*runningKind
	// ended has, for kinds that are audited no longer, what is closed when nothing of them is left.
	ended map[schema.GroupKind]chan struct{}
	// unserved has the bound kinds that are not audited, because the cluster does not serve them or does not tell.
	unserved map[schema.GroupKind]failure
	scopes   *scopes
}

// NewAuditor returns an Auditor that is ready to Run.
func NewAuditor(o AuditorOptions) *Auditor {
	return &Auditor{
		options: o, objects: o.Objects, pace: rate.NewLimiter(rate.Limit(o.Pace), max(1, int(o.Pace/10))), found: newFindings(), log: o.Log,
		notify: make(chan struct{}, 1), kinds: map[schema.GroupKind]*runningKind{}, ended: map[schema.GroupKind]chan struct{}{},
		unserved: map[schema.GroupKind]failure{}, scopes: newScopes(),
	}
}

func (a *Auditor) now() time.Time { return a.options.Now() }

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

// NamespaceChanged is to be called when a namespace is new, or its labels or annotations have changed. Everything in it is
// decided again.
func (a *Auditor) NamespaceChanged(name string) {
	for _, k := range a.running() {
		k.reset()
		k.decideSoon(name)
	}
	a.trigger()
}

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
		target, bound := TargetOf(decider.Snapshot(), k.kind)
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

// Recall is to be called when it is known what earlier audits have seen: seen returns when a result was first seen. The
// findings get these times if they are earlier than those at which this audit first saw them.
func (a *Auditor) Recall(seen func(resultID string) (time.Time, bool)) {
	for _, namespace := range a.found.recall(seen) {
		a.options.Changed(namespace)
	}
}

// ownerOf returns the owner of an object, or "".
func (a *Auditor) ownerOf(ctx context.Context, r *decision.Request) string {
	var namespace decision.Namespace
	if r.Namespace.Name != "" {
		// Without its namespace, an object has the owner that it names itself.
		namespace, _ = a.options.Facts.Namespace(ctx, r.Namespace.Name)
	}
	return r.Owner(a.options.OwnerLabels, &namespace)
}

// Findings returns the objects of a namespace in which something was found, sorted, and what is not listed.
func (a *Auditor) Findings(namespace string) ([]report.AuditedObject, report.Passes) {
	objects, exempted := a.found.in(namespace)
	passes := report.Passes{Exempted: exempted}
	for _, k := range a.running() {
		passes.Passed += k.passedIn(namespace)
	}
	return objects, passes
}

// Namespaces returns the namespaces in which something was found, with "" for cluster-scoped objects.
func (a *Auditor) Namespaces() []string { return a.found.namespaces() }

// pageTime is how long the objects of a page may take to be decided. The API server sends the page meanwhile, for a
// minute at the longest.
const pageTime = 20 * time.Second

// pageSize returns the number of objects that a kind decides in pageTime while all kinds share the pace.
func (a *Auditor) pageSize() int {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	share := a.options.Pace * pageTime.Seconds() / float64(max(1, len(a.kinds)))
	return int(min(max(share, 1), maxPage))
}
