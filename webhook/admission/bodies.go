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
	// room: those that arrive quickly wait for one another. It is also how long a large one
	// waits before a smaller one that waits too must give way.
	sprint = 250 * time.Millisecond
)

var (
	errEvicted = errors.New("evicted: it arrived more slowly than others while memory was short")
	errNoRoom  = errors.New("no room")
)

// bodyBudget bounds the memory that the bodies of requests take together, and how many of
// them may be on their way at once. A body costs what has arrived of it, whatever it
// announces. Where room or places are short, the body that has made no progress for the
// longest time is evicted, and never one that is complete.
//
// The zero value is not usable; see newBodyBudget.
type bodyBudget struct {
	// total counts every byte. large counts the bytes of each body beyond the first ordinary bytes
	// and has a lower limit, so that large bodies always leave room for ordinary ones.
	total, large *semaphore.Weighted
	mostArriving int

	mutex sync.Mutex
	// arriving holds every *incoming that is not complete, the one without progress for the
	// longest time first.
	arriving list.List
	opened   uint64
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
	number      uint64

	// The budget's mutex guards the rest.
	place           *list.Element // in arriving; nil once it cannot be evicted
	progressed      time.Time
	interrupt       context.CancelFunc // ends a wait for room; nil if it waits for its sender
	evicted         bool
	held, heldLarge int64
}

// open makes a place for one more body, which must have arrived at the time ends. close must
// be called.
func (b *bodyBudget) open(setDeadline func(time.Time), ends time.Time) *incoming {
	in := &incoming{budget: b, setDeadline: setDeadline, ends: ends}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.arriving.Len() >= b.mostArriving {
		slowest, _ := b.arriving.Front().Value.(*incoming)
		slowest.evict()
	}
	b.opened++
	in.number = b.opened
	in.place = b.arriving.PushBack(in)
	in.step()
	return in
}

// step makes in the last to be evicted, and gives it time for what comes next.
func (in *incoming) step() {
	in.progressed = time.Now()
	in.budget.arriving.MoveToBack(in.place)
	if next := in.progressed.Add(stepTimeout); next.Before(in.ends) {
		in.setDeadline(next)
	} else {
		in.setDeadline(in.ends)
	}
}

func (in *incoming) leave() {
	if in.place != nil {
		in.budget.arriving.Remove(in.place)
		in.place = nil
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
	in.step()
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
	large := max(in.held+n-ordinary, 0) - in.heldLarge
	if large <= 0 {
		return in.take(ctx, n, room{b.total, (*incoming).total, in.mayEvictForOrdinary})
	}
	if err := in.take(ctx, large, room{b.large, (*incoming).beyondOrdinary, in.mayEvictForLarge}); err != nil {
		return err
	}
	return in.take(ctx, n, room{b.total, (*incoming).total, in.mayEvictForLarge})
}

// room is what a body takes bytes from.
type room struct {
	free *semaphore.Weighted
	// held points to what a body holds of it.
	held func(*incoming) *int64
	// mayEvict reports whether another body may be evicted by one that has waited so long.
	mayEvict func(other *incoming, waited time.Duration) bool
}

func (in *incoming) total() *int64 { return &in.held }

func (in *incoming) beyondOrdinary() *int64 { return &in.heldLarge }

// take acquires n bytes of a room, evicting others for them.
func (in *incoming) take(ctx context.Context, n int64, from room) error {
	if !from.free.TryAcquire(n) {
		if err := in.wait(ctx, n, from); err != nil {
			return err
		}
	}
	in.budget.mutex.Lock()
	defer in.budget.mutex.Unlock()
	*from.held(in) += n
	if in.evicted {
		return errEvicted
	}
	return nil
}

// wait acquires n bytes of a room as soon as others have given them back.
func (in *incoming) wait(ctx context.Context, n int64, from room) error {
	patience, stop := context.WithTimeout(ctx, roomWait)
	defer stop()
	in.setWaiting(stop)
	defer in.setWaiting(nil)
	for began := time.Now(); ; {
		in.budget.evict(n, in, from, time.Since(began))
		attempt, end := context.WithTimeout(patience, roomRetry)
		err := from.free.Acquire(attempt, n)
		end()
		switch {
		case err == nil:
			return nil
		case in.isEvicted():
			return errEvicted
		case ctx.Err() != nil:
			return ctx.Err()
		case patience.Err() != nil:
			return errNoRoom
		}
	}
}

func (in *incoming) setWaiting(interrupt context.CancelFunc) {
	in.budget.mutex.Lock()
	defer in.budget.mutex.Unlock()
	in.interrupt = interrupt
	if interrupt == nil && !in.evicted {
		in.step() // the time it has waited is not its sender's
	}
}

// mayEvictForOrdinary returns true: an ordinary body may evict any other.
func (in *incoming) mayEvictForOrdinary(*incoming, time.Duration) bool { return true }

// mayEvictForLarge spares those that make progress. Of two that wait for one another, the
// smaller one gives way in the end.
func (in *incoming) mayEvictForLarge(other *incoming, waited time.Duration) bool {
	if other.interrupt == nil {
		return time.Since(other.progressed) > sprint
	}
	smaller := other.held < in.held || other.held == in.held && other.number > in.number
	return waited > sprint && smaller
}

// evict evicts until n bytes of a room will become free: large bodies before ordinary ones, as
// there is room for hundreds in the place of one, and of each the slowest first.
func (b *bodyBudget) evict(n int64, in *incoming, from room, waited time.Duration) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, large := range []bool{true, false} {
		for e := b.arriving.Front(); e != nil && n > 0; {
			other, _ := e.Value.(*incoming)
			e = e.Next()
			if held := *from.held(other); other != in && held > 0 && (other.heldLarge > 0) == large && from.mayEvict(other, waited) {
				n -= held
				other.evict()
			}
		}
	}
}

// evict ends the Read or the wait that the body is in. Its goroutine then gives back what it
// holds.
func (in *incoming) evict() {
	in.evicted = true
	in.leave()
	in.setDeadline(time.Unix(1, 0))
	if in.interrupt != nil {
		in.interrupt()
	}
}

// complete protects the body from eviction. whole is true if all of it has arrived; otherwise
// the rest is not needed. It returns errEvicted if the body was evicted before.
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
	held, heldLarge := in.held, in.heldLarge
	in.held, in.heldLarge = 0, 0
	in.budget.mutex.Unlock()
	in.budget.total.Release(held)
	in.budget.large.Release(heldLarge)
}
