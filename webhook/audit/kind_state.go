package audit

import "time"

// activity is what a kindAuditor does with the API server.
type activity int

const (
	// reading is the reading of the whole kind, before which nothing is known about it.
	reading activity = iota
	// watching is following its changes.
	watching
	// deciding is reading objects that have to be decided again.
	deciding
	activities
)

// String returns what is not done while the activity fails.
func (a activity) String() string {
	return [activities]string{reading: "A kind cannot be read", watching: "A kind cannot be watched", deciding: "A kind cannot be read again"}[a]
}

// kindState is how current the findings about a kind are.
type kindState struct {
	// read is true once the kind was read, or the API server has refused that.
	read bool
	// completed is when a pass over the whole kind ended last.
	completed time.Time
	failures  [activities]failure
}

// failure is the last error of an activity, and since when it fails. It is zero if it does not.
type failure struct {
	err   error
	since time.Time
}

// unread returns since when changes wait because requests fail, and why the kind counts as unread. What the API server
// refuses is unread at once, and does not wait: only somebody else can change it. What fails in another way waits, and
// is unread after maxLag.
func (s *kindState) unread(now time.Time) (since time.Time, reason error) {
	for _, f := range s.failures {
		switch {
		case f.err == nil:
		case Refused(f.err):
			return time.Time{}, f.err
		default:
			since = earliest(since, f.since)
			if now.Sub(f.since) >= maxLag {
				reason = f.err
			}
		}
	}
	return since, reason
}

// earliest returns the earlier of two times of which a zero one is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// wasRead records that the whole kind was read, or why it could not be.
func (k *kindAuditor) wasRead(err error) {
	k.mutex.Lock()
	if err == nil || Refused(err) {
		k.state.read = true
	}
	if err == nil {
		k.state.completed = k.auditor.now()
	}
	k.mutex.Unlock()
	k.observed(reading, err)
	k.auditor.options.StateChanged()
}

// observed records that an activity fails, or no longer does.
func (k *kindAuditor) observed(what activity, err error) {
	k.mutex.Lock()
	before := k.state.failures[what]
	after := failure{err: err}
	if err != nil {
		if after.since = before.since; before.err == nil {
			after.since = k.auditor.now()
		}
	}
	k.state.failures[what] = after
	k.mutex.Unlock()
	switch {
	case err != nil && (before.err == nil || before.err.Error() != err.Error()):
		k.auditor.log.Info(what.String()+", trying again", "resource", k.mapping.Resource.String(), "error", err.Error())
	case err == nil && before.err != nil:
		k.auditor.log.Info("A kind is audited again", "resource", k.mapping.Resource.String())
	default:
		return
	}
	k.auditor.options.StateChanged()
}
