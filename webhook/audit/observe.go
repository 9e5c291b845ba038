package audit

import (
	"context"
	"errors"
	"strconv"
	"unique"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"taffrail.dev/webhook/request"
)

// cause is why an object is observed.
type cause int

const (
	// causeChanged is an event of a watch, which is decided at once.
	causeChanged cause = iota
	// causeListed is a reading of the whole kind, which decides what has changed, at the pace of the auditor.
	causeListed
	// causeAgain is a pass that decides objects that have not changed, at the pace of the auditor.
	causeAgain
)

// observe decides an object, unless it has not changed since it was decided last.
func (k *kindAuditor) observe(ctx context.Context, found *request.Metadata, object []byte, why cause) {
	id := uidOf(found.UID)
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if !k.record(ctx, id, found, why) {
		return
	}
	if why != causeChanged {
		k.mutex.Unlock()
		err := k.auditor.pace.Wait(ctx)
		k.mutex.Lock()
		if err != nil || !k.record(ctx, id, found, why) {
			return
		}
	}
	scanned := k.current().decide(ctx, found, object)
	k.auditor.counters.decided(why)
	switch {
	case ctx.Err() != nil:
	case apierrors.IsNotFound(scanned.Err): // its namespace is gone
		k.forget(id)
	case scanned.Err != nil:
		k.undecided(id, scanned)
	default:
		k.decided(ctx, id, scanned, why)
	}
}

// step is what to do with an object that is observed.
type step int

const (
	// stepSkip is for an object that is gone.
	stepSkip step = iota
	// stepDrop is for one that is not decided any longer.
	stepDrop
	// stepKeep is for one of which the decision still holds, and stepKeepLater for one that was decided in a later version.
	stepKeep
	stepKeepLater
	// stepDecide is for all others.
	stepDecide
)

// next returns what to do with an object.
func (k *kindAuditor) next(ctx context.Context, id uid, found *request.Metadata, why cause) step {
	if _, gone := k.deleted[id]; gone {
		return stepSkip
	}
	known, before := k.entries[id]
	// A watch, and a pass that runs at the same time, may be behind one another. Otherwise a version that goes back is
	// that of an API server whose data was restored.
	if before && k.concurrent && versionOf(found) < known.version {
		return stepKeepLater
	}
	if !k.current().decides(ctx, found) {
		return stepDrop
	}
	if before && why != causeAgain && known.digest == found.Digest {
		return stepKeep
	}
	return stepDecide
}

// record reports whether an object has to be decided, and records that it was observed if not.
func (k *kindAuditor) record(ctx context.Context, id uid, found *request.Metadata, why cause) bool {
	known := k.entries[id]
	switch k.next(ctx, id, found, why) {
	case stepDecide:
		return true
	case stepDrop:
		k.forget(id)
	case stepKeep:
		known.pass, known.version = k.pass, versionOf(found)
		k.entries[id] = known
	case stepKeepLater:
		known.pass = k.pass
		k.entries[id] = known
	case stepSkip:
	}
	return false
}

// current returns what decides the kind under the present configuration.
func (k *kindAuditor) current() *kindDecider {
	if k.decider == nil {
		k.decider = newKindDecider(k.auditor.current.Load(), k.auditor.options.Facts, k.mapping.GroupVersionKind)
	}
	return k.decider
}

func (k *kindAuditor) decided(ctx context.Context, id uid, s *Scanned, why cause) {
	k.put(id, s, entry{passed: uint16(min(s.Passed, 1<<16-1)), made: s.FromTemplate})
	owner := ""
	if len(s.Decision.Findings) > 0 {
		owner = k.auditor.ownerOf(ctx, s.Request)
	}
	changed := k.auditor.found.set(id, s.Kind, &s.Metadata, owner, s.Decision.Findings, k.auditor.now())
	k.notify(s.Namespace, changed)
	if found := k.auditor.options.Found; found != nil && changed && len(s.Decision.Findings) > 0 {
		found(Found{Kind: s.Kind, Namespace: s.Namespace, Name: s.Name, UID: s.UID, Owner: owner, Findings: s.Decision.Findings, Changed: why == causeChanged})
	}
}

// undecided records that an object could not be decided. What was found before no longer holds. If that is not because
// of the object, it is tried again later.
func (k *kindAuditor) undecided(id uid, s *Scanned) {
	log := k.auditor.log.WithValues("resource", k.mapping.Resource.String(), "namespace", s.Namespace, "name", s.Name)
	if panicked, ok := errors.AsType[*panicError](s.Err); ok {
		log.Error(s.Err, "An object could not be decided", "stack", panicked.stack)
	} else {
		log.V(1).Info("An object could not be decided", "error", s.Err.Error())
	}
	k.put(id, s, entry{undecided: true, made: k.current().madeFromTemplate(&s.Metadata)})
	k.notify(s.Namespace, k.auditor.found.forget(id, s.Namespace))
	if !isAboutObject(s.Err) {
		k.backlog.addLater(placeOf(k.kind, &s.Metadata))
	}
}

// put replaces the entry of an object, whose identity it fills in.
func (k *kindAuditor) put(id uid, s *Scanned, e entry) {
	k.count(id, -1)
	e.digest, e.version, e.place, e.pass = s.Digest, versionOf(&s.Metadata), unique.Make(placeOf(k.kind, &s.Metadata)), k.pass
	k.entries[id] = e
	k.count(id, 1)
}

// count adds an object to the tally of its place n times.
func (k *kindAuditor) count(id uid, n int) {
	e, known := k.entries[id]
	if !known {
		return
	}
	t := k.tallies[e.place]
	if !e.made {
		t.objects += n
	}
	t.passed += n * int(e.passed)
	if e.undecided {
		t.undecided += n
	}
	if t == (tally{}) {
		delete(k.tallies, e.place)
		return
	}
	k.tallies[e.place] = t
}

func (k *kindAuditor) delete(found *request.Metadata) {
	id := uidOf(found.UID)
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.deleted != nil {
		k.deleted[id] = struct{}{}
	}
	k.forget(id)
}

// forget removes an object.
func (k *kindAuditor) forget(id uid) {
	e, known := k.entries[id]
	if !known {
		return
	}
	k.count(id, -1)
	delete(k.entries, id)
	namespace := k.reportPlace(e.place.Value())
	k.notify(namespace, k.auditor.found.forget(id, namespace))
}

// sweep forgets the objects in the places that a pass was about, all if places is nil, and that it did not meet.
func (k *kindAuditor) sweep(places map[string]bool) {
	for id, e := range k.entries {
		if e.pass != k.pass && (places == nil || places[e.place.Value()]) {
			k.forget(id)
		}
	}
}

func (k *kindAuditor) forgetAll() {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for id := range k.entries {
		k.forget(id)
	}
}

// notify reports a namespace if its findings differ from before.
func (k *kindAuditor) notify(namespace string, differ bool) {
	if differ {
		k.auditor.options.Changed(namespace)
	}
}

// isAboutObject reports whether an object cannot be decided because of what it is, so that nothing but a change of it
// helps.
func isAboutObject(err error) bool {
	_, limit := errors.AsType[*request.LimitError](err)
	_, field := errors.AsType[*request.FieldError](err)
	_, malformed := errors.AsType[*request.MalformedError](err)
	_, panicked := errors.AsType[*panicError](err)
	return limit || field || malformed || panicked
}

func versionOf(found *request.Metadata) uint64 {
	// 0 if the server's versions are no numbers: then the last one that is observed counts.
	version, _ := strconv.ParseUint(found.ResourceVersion, 10, 64)
	return version
}
