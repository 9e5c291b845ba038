package audit

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"
	"unique"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"taffrail.dev/webhook/request"
)

const (
	// firstRetry is the delay after a failed request. It doubles with each failure, up to lastRetry.
	firstRetry = time.Second
	lastRetry  = time.Minute
	// refusedRetry is the delay after a request that the API server refuses until somebody changes RBAC
	// or installs a CRD.
	refusedRetry = time.Minute
	// watchTimeout is how long a watch lasts at least. It lasts up to twice as long.
	watchTimeout = 5 * time.Minute
)

// entry is what is kept of every object that is decided: 32 bytes, and 16 for its key.
type entry struct {
	// digest and version are those of the object that was decided last.
	digest, version uint64
	namespace       unique.Handle[string]
	// passed is how many policies found nothing.
	passed uint16
	// pass is the number of the last pass that met the object.
	pass uint16
	// undecided is set if the object could not be decided.
	undecided bool
}

// tally counts the objects of a namespace.
type tally struct{ objects, passed, undecided int }

// kindAuditor keeps the findings about the objects of one kind up to date.
type kindAuditor struct {
	auditor *Auditor
	mapping *meta.RESTMapping
	backlog *backlog

	// mutex is held while one object is decided, so that a watch and a pass take turns.
	mutex   sync.Mutex
	decider *KindDecider // nil if the configuration or a namespace has changed
	entries map[uid]entry
	tallies map[unique.Handle[string]]tally
	pass    uint16
	// deleted has the objects that were deleted since the current pass began, which may still meet them. It is nil
	// between passes.
	deleted map[uid]struct{}
	state   kindState
}

// kindState is how current the findings about a kind are.
type kindState struct {
	// read is true once the kind was read, or could not be.
	read bool
	// unread is why the kind cannot be read; nil if it can.
	unread error
	// completed is when a pass over the whole kind ended last.
	completed time.Time
}

func newKindAuditor(a *Auditor, mapping *meta.RESTMapping) *kindAuditor {
	return &kindAuditor{
		auditor: a, mapping: mapping, backlog: newBacklog(a.now), entries: map[uid]entry{}, tallies: map[unique.Handle[string]]tally{},
	}
}

// run reads all objects of the kind and then follows their changes, until ctx ends.
func (k *kindAuditor) run(ctx context.Context) {
	defer k.forgetAll()
	for wait := newBackoff(); ctx.Err() == nil; {
		version, err := k.read(ctx, Selection{Mapping: k.mapping}, inList, nil)
		if ctx.Err() != nil {
			return
		}
		if refused(err) {
			k.forgetAll() // what was found is not known to be there any longer
		}
		k.done(err)
		if err != nil {
			wait.after(ctx, err)
			continue
		}
		wait = newBackoff()
		k.follow(ctx, version)
	}
}

// follow decides what changes after a version, and what is in the backlog. It returns when the objects have to be read
// again.
func (k *kindAuditor) follow(ctx context.Context, version string) {
	ctx, cancel := context.WithCancel(ctx)
	var passes sync.WaitGroup
	passes.Go(func() { k.runPasses(ctx) })
	defer passes.Wait()
	defer cancel()
	for wait := newBackoff(); ctx.Err() == nil; {
		timeout := watchTimeout + rand.N(watchTimeout) //nolint:gosec // it spreads load
		err := k.auditor.objects.Watch(ctx, Selection{Mapping: k.mapping}, version, timeout, func(e Event) error {
			found, err := k.auditor.objects.Metadata(e.Object)
			if err != nil {
				return err
			}
			wait = newBackoff()
			switch e.Type {
			case Bookmark:
			case Deleted:
				k.delete(&found)
			default:
				k.meet(ctx, &found, e.Object, inWatch)
			}
			version = found.ResourceVersion
			return ctx.Err()
		})
		switch {
		case ctx.Err() != nil:
			return
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			return
		case refused(err):
			// What may be listed and not watched is read again from time to time, and so is what is no longer served.
			wait.after(ctx, err)
			return
		case err != nil:
			k.auditor.log.V(1).Info("A watch ended", "resource", k.mapping.Resource.String(), "error", err.Error())
			wait.after(ctx, err)
		default:
			wait = newBackoff()
		}
	}
}

// runPasses decides again what the backlog names, until ctx ends.
func (k *kindAuditor) runPasses(ctx context.Context) {
	for ctx.Err() == nil {
		due, ok := k.backlog.take(ctx)
		if !ok {
			return
		}
		err := k.decideAgain(ctx, due)
		if err == nil {
			err = ctx.Err()
		}
		k.backlog.finish(due, err)
		k.auditor.stateChanged()
		if err != nil && ctx.Err() == nil {
			k.auditor.log.V(1).Info("A pass failed", "resource", k.mapping.Resource.String(), "error", err.Error())
		}
	}
}

// maxSelections is the number of namespaces up to which each is read on its own. Of more, the whole kind is read, and
// what is elsewhere is passed over.
const maxSelections = 8

func (k *kindAuditor) decideAgain(ctx context.Context, due batch) error {
	if due.all || len(due.namespaces) > maxSelections {
		var within func(*request.Metadata) bool
		if !due.all {
			within = func(found *request.Metadata) bool { return due.namespaces[k.placeOf(found)] }
		}
		_, err := k.read(ctx, Selection{Mapping: k.mapping}, again, within)
		if err == nil && due.all {
			k.done(nil)
		}
		return err
	}
	for name := range due.namespaces {
		selection := Selection{Mapping: k.mapping, Namespace: name}
		if !k.namespaced() {
			selection.Namespace, selection.Name = "", name
		}
		within := func(found *request.Metadata) bool { return k.placeOf(found) == name }
		if _, err := k.read(ctx, selection, again, within); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

func (k *kindAuditor) namespaced() bool {
	return k.mapping.Scope.Name() == meta.RESTScopeNameNamespace
}

// placeOf returns the namespace by which the backlog names an object: its own, or for a Namespace the one that it is.
func (k *kindAuditor) placeOf(found *request.Metadata) string {
	if k.mapping.GroupVersionKind.Kind == "Namespace" && k.mapping.GroupVersionKind.Group == "" {
		return found.Name
	}
	return found.Namespace
}

// hasPlace reports whether the backlog may name a namespace, or "" for cluster-scoped objects.
func (k *kindAuditor) hasPlace(namespace string) bool {
	ofNamespaces := k.namespaced() || k.placeOf(&request.Metadata{Name: "x"}) != ""
	return ofNamespaces == (namespace != "")
}

// decideSoon adds those namespaces to the backlog in which objects of the kind may be.
func (k *kindAuditor) decideSoon(namespaces ...string) {
	k.backlog.addSoon(slices.DeleteFunc(slices.Clone(namespaces), func(name string) bool { return !k.hasPlace(name) })...)
}

// read meets every object of a selection that is within, or every one if within is nil, and forgets those that no longer
// exist.
func (k *kindAuditor) read(ctx context.Context, s Selection, as how, within func(*request.Metadata) bool) (version string, err error) {
	k.mutex.Lock()
	k.pass++
	k.deleted = map[uid]struct{}{}
	k.mutex.Unlock()
	version, err = k.auditor.objects.Each(ctx, s, func(object []byte) error {
		found, err := k.auditor.objects.Metadata(object)
		if err != nil || within != nil && !within(&found) {
			return err
		}
		k.meet(ctx, &found, object, as)
		return ctx.Err()
	})
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.deleted = nil
	// An entry does not have the name of its object. Of a Namespace, the watch reports that it is gone.
	if err == nil && (within == nil || k.namespaced()) {
		k.sweep(within)
	}
	return version, err
}

// done records that the kind was read, or why it could not be.
func (k *kindAuditor) done(err error) {
	k.mutex.Lock()
	before := k.state
	k.state.read, k.state.unread = true, err
	if err == nil {
		k.state.completed = k.auditor.now()
	}
	k.mutex.Unlock()
	if err != nil && (before.unread == nil || before.unread.Error() != err.Error()) {
		k.auditor.log.Info("A kind is not audited", "resource", k.mapping.Resource.String(), "error", err.Error())
	}
	k.auditor.stateChanged()
}

// reset makes the next decision look up the configuration and the namespaces again.
func (k *kindAuditor) reset() {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.decider = nil
}

// backoff is the delay between attempts.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{firstRetry} }

// after waits after an error, or until ctx ends.
func (b *backoff) after(ctx context.Context, err error) {
	wait := b.next
	if refused(err) {
		wait = refusedRetry
	}
	b.next = min(2*b.next, lastRetry)
	sleep(ctx, wait)
}

// refused reports whether nothing but a change of RBAC, or of what the cluster serves, makes a request succeed.
func refused(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func versionOf(found *request.Metadata) uint64 {
	// 0 if the server's versions are no numbers: then the last one that is met counts.
	version, _ := strconv.ParseUint(found.ResourceVersion, 10, 64)
	return version
}
