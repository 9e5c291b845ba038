package admission

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// ordinary is the size up to which a body uses the room that is kept for those: an
	// ordinary review has some 10 KiB.
	ordinary = 64 << 10
	// keptFor is the part of the budget that larger bodies leave alone: a quarter.
	keptFor = 4
	// roomWait is how long a body waits for others to make room. The API server retries
	// after a second, so waiting longer gains nothing.
	roomWait = time.Second
	// roomRetry is how often a waiting body looks for another one to evict.
	roomRetry = 20 * time.Millisecond
	// sprint is how long after its last progress a body is safe from large ones that need
	// room: those that arrive quickly wait for one another.
	sprint = 250 * time.Millisecond
)

var (
	errEvicted = errors.New("evicted: it arrived more slowly than the others, and room was short")
	errNoRoom  = errors.New("no room")
)

// bodyBudget bounds the memory that the bodies of requests take together, and how many of
// them may be on their way at once. A body costs what has arrived of it, whatever it
// announces. Where room or places are short, the body that has made no progress for the
// longest time is evicted, and never one that is complete.
//
// The zero value is not usable; see newBodyBudget.
type bodyBudget struct {
	// total is for every byte; large is for what bodies hold beyond ordinary bytes, and is
	// smaller. So however many large ones there are, room is left for ordinary ones.
	total, large *semaphore.Weighted
	mostArriving int

	mutex sync.Mutex
	// incomplete is how many bodies are not complete, those that wait for room included.
	incomplete int
	// arriving holds the *incoming that may be evicted, the one without progress for the
	// longest time first.
	arriving list.List
}

// newBodyBudget returns a budget of size bytes, or a little more: one body of the largest
// legal size always fits, with the room for ordinary ones besides.
func newBodyBudget(size int64, mostArriving int) *bodyBudget {
	size = max(size, maxBody*keptFor/(keptFor-1)+keptFor)
	return &bodyBudget{
		total:        semaphore.NewWeighted(size),
		large:        semaphore.NewWeighted(size - size/keptFor),
		mostArriving: mostArriving,
	}
}

// incoming is a body on its way in, and then, complete, in memory. It is used by one
// goroutine at a time.
type incoming struct {
	budget *bodyBudget
	// setDeadline sets when a Read of the body ends, also of one that is under way.
	setDeadline func(time.Time)
	ends        time.Time
	held        int64
	heldLarge   int64

	// The budget's mutex guards the rest.
	place      *list.Element // in arriving; nil if it cannot be evicted
	progressed time.Time
	evicted    bool
	counted    bool // in incomplete
}

// open makes a place for one more body, which must have arrived at the time ends. close must
// be called. It returns nil if every place is taken by a body that waits for room.
func (b *bodyBudget) open(setDeadline func(time.Time), ends time.Time) *incoming {
	in := &incoming{budget: b, setDeadline: setDeadline, ends: ends}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.incomplete >= b.mostArriving {
		front := b.arriving.Front()
		if front == nil {
			return nil
		}
		slowest, _ := front.Value.(*incoming)
		slowest.evict()
	}
	b.incomplete++
	in.counted = true
	in.enlist()
	return in
}

// enlist makes in the last to be evicted, and gives it time for its next step.
func (in *incoming) enlist() {
	b := in.budget
	in.progressed = time.Now()
	if in.place != nil {
		b.arriving.MoveToBack(in.place)
	} else {
		in.place = b.arriving.PushBack(in)
	}
	if next := in.progressed.Add(stepTimeout); next.Before(in.ends) {
		in.setDeadline(next)
	} else {
		in.setDeadline(in.ends)
	}
}

func (in *incoming) delist() {
	if in.place != nil {
		in.budget.arriving.Remove(in.place)
		in.place = nil
	}
}

// leave gives the place to another body.
func (in *incoming) leave() {
	in.delist()
	if in.counted {
		in.counted = false
		in.budget.incomplete--
	}
}

// progress reports that another step of the body has arrived. It returns errEvicted if
// the body must not be read any further.
func (in *incoming) progress() error {
	in.budget.mutex.Lock()
	defer in.budget.mutex.Unlock()
	if in.evicted {
		return errEvicted
	}
	in.enlist()
	return nil
}

// isEvicted reports whether the body was evicted, which a Read sees as a timeout.
func (in *incoming) isEvicted() bool {
	in.budget.mutex.Lock()
	defer in.budget.mutex.Unlock()
	return in.evicted
}

// grow takes n more bytes from the budget. The error is errEvicted, errNoRoom or that of ctx.
func (in *incoming) grow(ctx context.Context, n int64) error {
	b := in.budget
	safe := time.Duration(0)
	if large := max(in.held+n-ordinary, 0) - in.heldLarge; large > 0 {
		safe = sprint
		if err := in.take(ctx, b.large, large, safe, func(other *incoming) int64 { return other.heldLarge }); err != nil {
			return err
		}
		in.heldLarge += large
	}
	if err := in.take(ctx, b.total, n, safe, func(other *incoming) int64 { return other.held }); err != nil {
		return err
	}
	in.held += n
	return nil
}

// take acquires n of a semaphore, and evicts for it what holds some of it and has made no
// progress for safe.
func (in *incoming) take(ctx context.Context, from *semaphore.Weighted, n int64, safe time.Duration, holds func(*incoming) int64) error {
	if from.TryAcquire(n) {
		return nil
	}
	b := in.budget
	// Whoever waits is not slow, and holds its room until it has what it needs or gives up.
	b.mutex.Lock()
	if in.evicted {
		b.mutex.Unlock()
		return errEvicted
	}
	in.delist()
	b.mutex.Unlock()

	waited, cancel := context.WithTimeout(ctx, roomWait)
	defer cancel()
	for {
		b.evict(n, safe, holds)
		step, stop := context.WithTimeout(waited, roomRetry)
		err := from.Acquire(step, n)
		stop()
		switch {
		case err == nil:
			return in.progress()
		case ctx.Err() != nil:
			return ctx.Err()
		case waited.Err() != nil:
			return errNoRoom
		}
	}
}

// evict evicts from the slowest on until n bytes will become free.
func (b *bodyBudget) evict(n int64, safe time.Duration, holds func(*incoming) int64) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	since := time.Now().Add(-safe)
	for e := b.arriving.Front(); e != nil && n > 0; {
		other, _ := e.Value.(*incoming)
		e = e.Next()
		if other.progressed.After(since) {
			return
		}
		if held := holds(other); held > 0 {
			n -= held
			other.evict()
		}
	}
}

// evict ends the Read that the body waits in. Its goroutine then gives back what it holds.
func (in *incoming) evict() {
	in.evicted = true
	in.leave()
	in.setDeadline(time.Unix(1, 0))
}

// complete ends the time in which the body may be evicted, because it has all arrived or,
// unless whole, as much of it as is wanted. It returns errEvicted if it is too late.
func (in *incoming) complete(whole bool) error {
	in.budget.mutex.Lock()
	defer in.budget.mutex.Unlock()
	if in.evicted {
		return errEvicted
	}
	in.leave()
	if whole {
		// net/http goes on reading, to notice a client that hangs up. A deadline that passes
		// then would end the request.
		in.setDeadline(time.Time{})
	}
	return nil
}

// close gives back what the body holds.
func (in *incoming) close() {
	in.budget.mutex.Lock()
	in.leave()
	in.budget.mutex.Unlock()
	in.budget.total.Release(in.held)
	in.budget.large.Release(in.heldLarge)
	in.held, in.heldLarge = 0, 0
}
