package audit

import (
	"context"
	"errors"
	"unique"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"taffrail.dev/webhook/request"
)

// how is how an object is met.
type how int

const (
	// inWatch is an event, which is decided at once.
	inWatch how = iota
	// inList is a reading of the whole kind, which decides what has changed, at the pace of the auditor.
	inList
	// again is a pass that decides objects again that have not changed, at the pace of the auditor.
	again
)

// meet decides an object, unless it has not changed since it was decided last.
func (k *kindAuditor) meet(ctx context.Context, found *request.Metadata, object []byte, as how) {
	id := uidOf(found.UID)
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if !k.needed(ctx, id, found, as) {
		return
	}
	if as != inWatch {
		k.mutex.Unlock()
		err := k.auditor.pace.Wait(ctx)
		k.mutex.Lock()
		if err != nil || !k.needed(ctx, id, found, as) {
			return
		}
	}
	scanned := k.current().Decide(ctx, found, object)
	k.auditor.counters.decided(as)
	switch {
	case ctx.Err() != nil:
	case apierrors.IsNotFound(scanned.Err): // its namespace is gone
		k.forget(id)
	case scanned.Err != nil:
		k.undecided(id, scanned)
	default:
		k.decided(ctx, id, scanned)
	}
}

// needed reports whether an object has to be decided. It forgets one that no longer is decided, and records that one
// that need not be was met.
func (k *kindAuditor) needed(ctx context.Context, id uid, found *request.Metadata, as how) bool {
	if _, gone := k.deleted[id]; gone {
		return false
	}
	known, before := k.entries[id]
	stale := before && versionOf(found) < known.version
	if !stale && !k.current().Decides(ctx, found) {
		k.forget(id)
		return false
	}
	if stale || before && as != again && known.digest == found.Digest {
		known.pass, known.version = k.pass, max(known.version, versionOf(found))
		k.entries[id] = known
		return false
	}
	return true
}

// current returns what decides the kind under the present configuration.
func (k *kindAuditor) current() *KindDecider {
	if k.decider == nil {
		k.decider = k.auditor.kindDecider(k.mapping)
	}
	return k.decider
}

func (k *kindAuditor) decided(ctx context.Context, id uid, s *Scanned) {
	policies := map[string]bool{}
	for i := range s.Decision.Findings {
		policies[s.Decision.Findings[i].Policy] = true
	}
	in, err := k.current().in(ctx, s.Namespace)
	if err != nil {
		in = selected{}
	}
	k.put(id, s, entry{passed: uint16(min(max(in.policies-len(policies), 0), 1<<16-1))}) //nolint:gosec // it is in range
	owner := ""
	if len(policies) > 0 {
		owner = k.auditor.ownerOf(ctx, s.Request)
	}
	k.changed(s.Namespace, k.auditor.found.set(id, s.Kind, &s.Metadata, owner, s.Decision.Findings, k.auditor.now()))
}

// undecided records that an object could not be decided. What was found before no longer holds. If that is not because
// of the object, it is tried again later.
func (k *kindAuditor) undecided(id uid, s *Scanned) {
	k.auditor.log.V(1).Info("An object could not be decided", "resource", k.mapping.Resource.String(), "namespace", s.Namespace, "name", s.Name, "error", s.Err.Error())
	k.put(id, s, entry{undecided: true})
	k.changed(s.Namespace, k.auditor.found.forget(id, s.Namespace))
	if !isAboutObject(s.Err) {
		k.backlog.addLater(k.placeOf(&s.Metadata))
	}
}

// put replaces the entry of an object, whose identity it fills in.
func (k *kindAuditor) put(id uid, s *Scanned, e entry) {
	k.count(id, -1)
	e.digest, e.version, e.namespace, e.pass = s.Digest, versionOf(&s.Metadata), unique.Make(s.Namespace), k.pass
	k.entries[id] = e
	k.count(id, 1)
}

// count adds an object to the tally of its namespace n times.
func (k *kindAuditor) count(id uid, n int) {
	e, known := k.entries[id]
	if !known {
		return
	}
	t := k.tallies[e.namespace]
	t.objects += n
	t.passed += n * int(e.passed)
	if e.undecided {
		t.undecided += n
	}
	if t == (tally{}) {
		delete(k.tallies, e.namespace)
		return
	}
	k.tallies[e.namespace] = t
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
	namespace := e.namespace.Value()
	k.changed(namespace, k.auditor.found.forget(id, namespace))
}

// sweep forgets the objects in the namespaces that a pass was about, all if within is nil, and that it did not meet.
func (k *kindAuditor) sweep(within func(*request.Metadata) bool) {
	for id, e := range k.entries {
		if e.pass == k.pass || within != nil && !within(&request.Metadata{Namespace: e.namespace.Value()}) {
			continue
		}
		k.forget(id)
	}
}

func (k *kindAuditor) forgetAll() {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for id := range k.entries {
		k.forget(id)
	}
}

func (k *kindAuditor) changed(namespace string, changed bool) {
	if changed {
		k.auditor.changed(namespace)
	}
}

// isAboutObject reports whether an object cannot be decided because of what it is, so that nothing but a change of it
// helps.
func isAboutObject(err error) bool {
	_, limit := errors.AsType[*request.LimitError](err)
	_, field := errors.AsType[*request.FieldError](err)
	_, malformed := errors.AsType[*request.MalformedError](err)
	return limit || field || malformed
}
