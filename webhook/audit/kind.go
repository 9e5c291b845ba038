package audit

import (
	"context"
	"slices"
	"sync"
	"time"
	"unique"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/request"
)

// entry is what is kept of every object that is decided: 32 bytes, and 16 for its key.
type entry struct {
	// digest and version are those of the object that was decided last.
	digest, version uint64
	// place is the namespace by which Guardrails select the object.
	place unique.Handle[string]
	// pass is the number of the last pass that met the object.
	pass uint32
	// passed is how many policies found nothing.
	passed uint16
	// undecided is set if the object could not be decided, and made if it was made from a template that is decided.
	undecided, made bool
}

// tally counts the objects of a namespace. Objects that were made from a template that is decided are not among them.
type tally struct{ objects, passed, undecided int }

// kindAuditor keeps the findings about the objects of one kind up to date.
type kindAuditor struct {
	auditor *Auditor
	mapping *meta.RESTMapping
	kind    schema.GroupKind
	backlog *backlog
	// began is since when the kind is audited.
	began time.Time
	// turn is held by whoever reads the kind or a part of it.
	turn sync.Mutex

	// mutex is held while one object is decided, so that a watch and a pass take turns.
	mutex   sync.Mutex
	decider *kindDecider // nil if the configuration or a namespace has changed
	entries map[uid]entry
	tallies map[unique.Handle[string]]tally
	pass    uint32
	// deleted has the objects that were deleted since the current pass began, which may still meet them. It is nil
	// between passes.
	deleted map[uid]struct{}
	// concurrent is set while a pass reads objects that a watch reports too.
	concurrent bool
	state      kindState
}

func newKindAuditor(a *Auditor, mapping *meta.RESTMapping) *kindAuditor {
	return &kindAuditor{
		auditor: a, mapping: mapping, kind: mapping.GroupVersionKind.GroupKind(), backlog: newBacklog(a.now), began: a.now(),
		entries: map[uid]entry{}, tallies: map[unique.Handle[string]]tally{},
	}
}

// adopt takes over what another kindAuditor of the kind, which has ended, has found: the kind is served in another
// version.
func (k *kindAuditor) adopt(from *kindAuditor) {
	from.mutex.Lock()
	defer from.mutex.Unlock()
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.entries, k.tallies, k.pass = from.entries, from.tallies, from.pass
}

// run reads all objects of the kind and then follows their changes, until ctx ends.
func (k *kindAuditor) run(ctx context.Context) {
	var passes sync.WaitGroup
	defer passes.Wait()
	start := sync.OnceFunc(func() { passes.Go(func() { k.runPasses(ctx) }) })
	for retry, expired := newBackoff(0), newBackoff(0); ctx.Err() == nil; {
		version, err := k.read(ctx, Selection{Mapping: k.mapping}, causeListed, nil)
		if ctx.Err() != nil {
			return
		}
		if apierrors.IsNotFound(err) {
			k.forgetAll() // the kind is not served any longer
		}
		k.wasRead(err)
		switch {
		case Refused(err):
			sleep(ctx, refusedRetry)
			continue
		case err != nil:
			sleep(ctx, retry.Step())
			continue
		}
		retry = newBackoff(0)
		start()
		began := k.auditor.now()
		err = k.follow(ctx, version)
		switch {
		case ctx.Err() != nil:
		case Refused(err):
			// What may be listed and not watched is read again from time to time, and so is what is no longer served.
			k.observed(watching, nil)
			sleep(ctx, refusedRetry)
		case k.auditor.now().Sub(began) > lastRetry:
			expired = newBackoff(0)
		default:
			sleep(ctx, expired.Step())
		}
	}
}

// follow decides what changes after a version. It returns when the objects have to be read again.
func (k *kindAuditor) follow(ctx context.Context, version string) error {
	return k.auditor.objects.Follow(ctx, Followed{
		Selection: Selection{Mapping: k.mapping}, Version: version, Observe: func(err error) { k.observed(watching, err) },
		Each: func(found *request.Metadata, e Event) {
			if e.Type == Deleted {
				k.delete(found)
				return
			}
			k.observe(ctx, found, e.Object, causeChanged)
		},
	})
}

// runPasses decides again what the backlog names, until ctx ends.
func (k *kindAuditor) runPasses(ctx context.Context) {
	for ctx.Err() == nil {
		due, ok := k.backlog.take(ctx)
		if !ok {
			return
		}
		err := k.decideAgain(ctx, due)
		if ctx.Err() != nil {
			return
		}
		k.backlog.finish(due, err)
		k.observed(deciding, err)
		k.auditor.options.StateChanged()
	}
}

// maxSelections is the number of namespaces up to which each is read on its own, however few there are.
const maxSelections = 8

// decideAgain decides the objects of a batch again. It reads the whole kind if most of its namespaces are due, and
// otherwise one namespace after the other.
func (k *kindAuditor) decideAgain(ctx context.Context, due batch) error {
	if due.all {
		_, err := k.read(ctx, Selection{Mapping: k.mapping}, causeAgain, nil)
		if err == nil {
			k.wasRead(nil)
		}
		return err
	}
	if k.isMost(len(due.namespaces)) {
		_, err := k.read(ctx, Selection{Mapping: k.mapping}, causeAgain, due.namespaces)
		return err
	}
	for name := range due.namespaces {
		selection := Selection{Mapping: k.mapping, Namespace: name}
		if !k.namespaced() {
			selection.Namespace, selection.Name = "", name
		}
		if _, err := k.read(ctx, selection, causeAgain, map[string]bool{name: true}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// isMost reports whether so many namespaces are most of those that have objects of the kind.
func (k *kindAuditor) isMost(namespaces int) bool {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return namespaces > maxSelections && 2*namespaces > len(k.tallies)
}

func (k *kindAuditor) namespaced() bool {
	return k.mapping.Scope.Name() == meta.RESTScopeNameNamespace
}

// hasPlace reports whether the backlog may name a namespace, or "" for cluster-scoped objects.
func (k *kindAuditor) hasPlace(namespace string) bool {
	return (k.namespaced() || k.kind == namespaceKind()) == (namespace != "")
}

// decideSoon adds those namespaces to the backlog in which objects of the kind may be.
func (k *kindAuditor) decideSoon(namespaces ...string) {
	k.backlog.addSoon(slices.DeleteFunc(slices.Clone(namespaces), func(name string) bool { return !k.hasPlace(name) })...)
}

// read observes every object of a selection in one of the places, or every one if places is nil, and forgets those that
// no longer exist.
func (k *kindAuditor) read(ctx context.Context, s Selection, why cause, places map[string]bool) (version string, err error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	s.PageSize = k.auditor.pageSize()
	k.mutex.Lock()
	k.pass++
	k.deleted, k.concurrent = map[uid]struct{}{}, why == causeAgain
	k.mutex.Unlock()
	version, err = k.auditor.objects.Each(ctx, s, func(object []byte) error {
		found, err := k.auditor.objects.Metadata(object)
		if err != nil || places != nil && !places[placeOf(k.kind, &found)] {
			return err
		}
		k.observe(ctx, &found, object, why)
		return ctx.Err()
	})
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.deleted, k.concurrent = nil, false
	if err == nil {
		k.sweep(places)
	}
	return version, err
}

// reset makes the next decision look up the configuration and the namespaces again.
func (k *kindAuditor) reset() {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.decider = nil
}

// reportPlace returns the namespace of the reports about objects of a place. A ClusterReport is about Namespaces.
func (k *kindAuditor) reportPlace(place string) string {
	if k.namespaced() {
		return place
	}
	return ""
}

// passedIn returns how many times a policy found nothing in the objects that a report about a namespace, or with "" a
// ClusterReport, is about.
func (k *kindAuditor) passedIn(namespace string) (n int) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.namespaced() {
		return k.tallies[unique.Make(namespace)].passed
	}
	if namespace == "" {
		for _, t := range k.tallies {
			n += t.passed
		}
	}
	return n
}
