package audit

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// settle is how long changes are collected before objects are decided again.
	settle = 500 * time.Millisecond
	// settleLater is how long at least, for what changes all the time, such as the usage of a ResourceQuota. It grows to
	// restPasses times the duration of the last such pass, up to maxSettle, so that passes take a fraction of the time.
	settleLater = 30 * time.Second
	restPasses  = 10
	maxSettle   = 10 * time.Minute
)

// batch is what a pass decides again: all objects of a kind, or those of some namespaces.
type batch struct {
	all        bool
	namespaces map[string]bool
	// since is when the first change happened, and due when the pass begins.
	since, due time.Time
	// later is true if more changes of the same sort are expected.
	later bool
}

func (b *batch) empty() bool { return !b.all && len(b.namespaces) == 0 }

// backlog has what is to be decided again of one kind. It is safe for concurrent use.
type backlog struct {
	now func() time.Time

	mutex sync.Mutex
	soon  batch
	later batch
	// running is what the current pass decides.
	running batch
	started time.Time
	// settleLater is how long changes are collected of which more are expected.
	settleLater time.Duration
	wake        chan struct{}
}

func newBacklog(now func() time.Time) *backlog {
	return &backlog{now: now, settleLater: settleLater, wake: make(chan struct{}, 1)}
}

// addAll adds all objects of the kind.
func (b *backlog) addAll() { b.add(&b.soon, batch{all: true}) }

// addSoon adds namespaces.
func (b *backlog) addSoon(namespaces ...string) {
	if len(namespaces) > 0 {
		var more batch
		more.put(namespaces...)
		b.add(&b.soon, more)
	}
}

// addLater adds a namespace of which more changes are expected.
func (b *backlog) addLater(namespace string) {
	more := batch{later: true}
	more.put(namespace)
	b.add(&b.later, more)
}

func (b *batch) put(namespaces ...string) {
	if b.namespaces == nil {
		b.namespaces = map[string]bool{}
	}
	for _, name := range namespaces {
		b.namespaces[name] = true
	}
}

// add merges more into a part of the backlog. A part that is not empty becomes due no later.
func (b *backlog) add(to *batch, more batch) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	delay := settle
	if to == &b.later {
		delay = b.settleLater
	}
	if more.since.IsZero() {
		more.since = b.now()
	}
	if to.empty() {
		to.due = b.now().Add(delay)
	}
	to.merge(&more)
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take waits for the next batch. It returns false when ctx ends.
func (b *backlog) take(ctx context.Context) (batch, bool) {
	for {
		due, wait := b.next()
		if !due.empty() {
			return due, true
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return batch{}, false
		case <-timer.C:
		case <-b.wake:
		}
		timer.Stop()
	}
}

// next returns what is due, or how long to wait.
func (b *backlog) next() (due batch, wait time.Duration) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	wait = time.Hour
	for _, one := range []*batch{&b.soon, &b.later} {
		if one.empty() {
			continue
		}
		if left := one.due.Sub(b.now()); left > 0 {
			wait = min(wait, left)
			continue
		}
		due.merge(one)
		*one = batch{}
	}
	if !due.empty() {
		b.running, b.started = due, b.now()
	}
	return due, wait
}

func (b *batch) merge(other *batch) {
	if b.empty() || other.since.Before(b.since) {
		b.since = other.since
	}
	b.all, b.later = b.all || other.all, b.later || other.later
	b.put(slices.Collect(maps.Keys(other.namespaces))...)
}

// finish ends the pass over a batch. What failed, or was not finished, is decided later.
func (b *backlog) finish(due batch, err error) {
	b.mutex.Lock()
	b.running = batch{}
	if due.later {
		b.settleLater = min(max(settleLater, restPasses*b.now().Sub(b.started)), maxSettle)
	}
	b.mutex.Unlock()
	if err != nil {
		b.add(&b.later, due)
	}
}

// waiting returns since when something waits to be decided, or the zero Time.
func (b *backlog) waiting() (since time.Time) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, one := range []*batch{&b.soon, &b.later, &b.running} {
		if !one.empty() && (since.IsZero() || one.since.Before(since)) {
			since = one.since
		}
	}
	return since
}
