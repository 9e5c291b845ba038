package audit

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// mapInterval is how often it is looked at which kinds the cluster serves, and mapRetry how often while it does not
	// tell.
	mapInterval = time.Minute
	mapRetry    = 5 * time.Second
)

// runningKind is a kind that is audited.
type runningKind struct {
	*kindAuditor

	stop context.CancelFunc
	// ended is closed when run has returned.
	ended chan struct{}
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

// reconcile audits the kinds that are bound, and no others, and puts what has been touched into their backlogs. It
// returns after how long to do so again, although nothing is reported to have changed.
func (a *Auditor) reconcile(ctx context.Context, group *sync.WaitGroup) (next time.Duration) {
	decider := a.current.Load()
	if decider == nil {
		return mapInterval
	}
	defer a.options.StateChanged()
	targets := Targets(decider.Snapshot())
	a.mutex.Lock()
	defer a.mutex.Unlock()
	fresh, next := a.mapKinds(ctx, group, targets)
	now := a.now()
	namespaces, err := a.options.Facts.Namespaces(ctx)
	if err != nil {
		a.log.Error(err, "Cannot list namespaces, trying again")
		return firstRetry
	}
	for kind, touched := range a.scopes.update(decider.Snapshot(), targets, namespaces, now) {
		if k := a.kinds[kind]; k != nil && !fresh[kind] {
			k.decideSoon(touched...)
		}
	}
	if expiry := a.scopes.expiry; !expiry.IsZero() {
		next = min(next, max(expiry.Sub(now), 0)+time.Millisecond)
	}
	return next
}

// mapKinds begins to audit the kinds that are bound and served, and ends to audit the others. It returns those that it has
// begun with, and when to call it again.
func (a *Auditor) mapKinds(ctx context.Context, group *sync.WaitGroup, targets []Target) (fresh map[schema.GroupKind]bool, next time.Duration) {
	for kind, k := range a.kinds {
		if !slices.ContainsFunc(targets, func(t Target) bool { return t.Kind == kind }) {
			a.end(group, k)
		}
	}
	unserved := a.unserved
	a.unserved, a.reconciled = map[schema.GroupKind]failure{}, true
	fresh, next = map[schema.GroupKind]bool{}, mapInterval
	for _, target := range targets {
		kind := target.Kind
		running := a.kinds[kind]
		mapping, err := a.options.Mapper.RESTMapping(kind)
		switch {
		case err == nil && running != nil && running.mapping.Resource == mapping.Resource:
			running.reset()
		case err == nil:
			a.begin(ctx, group, mapping, running)
			fresh[kind] = true
		case running != nil && !meta.IsNoMatchError(err):
			running.reset() // it was served a moment ago
		default:
			if running != nil {
				a.end(group, running)
			}
			f := failure{err: err, since: a.now()}
			if before, known := unserved[kind]; known {
				f.since = before.since
			}
			a.unserved[kind] = f
			if !meta.IsNoMatchError(err) {
				next = mapRetry
			}
		}
	}
	return fresh, next
}

// begin begins to audit a kind, and continues what was audited in another version.
func (a *Auditor) begin(ctx context.Context, group *sync.WaitGroup, mapping *meta.RESTMapping, before *runningKind) {
	within, stop := context.WithCancel(ctx)
	k := &runningKind{newKindAuditor(a, mapping), stop, make(chan struct{})}
	if before != nil {
		before.stop()
		before.mutex.Lock()
		k.state = before.state
		before.mutex.Unlock()
	}
	last := a.ended[k.kind]
	a.kinds[k.kind] = k
	group.Go(func() {
		defer close(k.ended)
		switch {
		case before != nil:
			<-before.ended
			k.adopt(before.kindAuditor)
		case last != nil:
			<-last // it would forget what is found from now on
		}
		k.run(within)
	})
}

// end ends to audit a kind, and forgets what was found.
func (a *Auditor) end(group *sync.WaitGroup, k *runningKind) {
	k.stop()
	delete(a.kinds, k.kind)
	a.scopes.forgetKind(k.kind)
	gone := make(chan struct{})
	a.ended[k.kind] = gone
	group.Go(func() {
		defer close(gone)
		<-k.ended
		k.forgetAll()
	})
}
