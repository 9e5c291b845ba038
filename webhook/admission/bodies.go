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
	// smallBodyBytes is the size up to which a body may use the memory reserved for ordinary bodies. A typical review
	// has about 10 KiB.
	smallBodyBytes = 64 << 10
	// smallBodyShare is the part of the budget reserved for ordinary bodies: a quarter.
	smallBodyShare = 4
	// memoryWait is how long a body waits for memory. The API server retries after a second, so waiting longer
	// gains nothing.
	memoryWait = time.Second
	// memoryRetry is how often a waiting body looks for another one to evict.
	memoryRetry = 20 * time.Millisecond
	// evictionGrace is how long after its last progress a body cannot be evicted by large ones, so that bodies that
	// arrive quickly wait for one another. It is also how long a large body waits before a smaller one that
	// also waits is evicted.
	evictionGrace = 250 * time.Millisecond
)

var (
	errEvicted  = errors.New("evicted: it arrived more slowly than others while memory was short")
	errNoMemory = errors.New("no room")
)

// bodyBudget limits the memory of all request bodies together, and the number of bodies that may arrive
// concurrently. A body is charged for what has arrived, not for its Content-Length. If memory or places are
// short, the body that has made no progress for the longest time is evicted; complete bodies never are.
//
// The zero value is not usable; see newBodyBudget.
type bodyBudget struct {
	// total counts every byte. large counts the bytes of each body beyond the first ordinary bytes and has a
	// lower limit, so that large bodies always leave room for ordinary ones.
	total, large *semaphore.Weighted
	maxArriving  int

	mutex sync.Mutex
	// arriving holds every incomplete *incoming, in the order of their last progress, oldest first.
	arriving list.List
	opened   uint64
}

// newBodyBudget returns a budget of at least size bytes. It always fits one body of the largest legal size plus
// the reserve for ordinary ones.
func newBodyBudget(size int64, maxArriving int) *bodyBudget {
	size = max(size, maxBody*smallBodyShare/(smallBodyShare-1)+smallBodyShare)
	return &bodyBudget{
		total:       semaphore.NewWeighted(size),
		large:       semaphore.NewWeighted(size - size/smallBodyShare),
		maxArriving: maxArriving,
	}
}

// incoming is a request body that is arriving, or complete and in memory. It is used by one goroutine at a
// time.
type incoming struct {
	budget *bodyBudget
	// setDeadline sets the deadline of Reads of the body, including one in progress.
	setDeadline func(time.Time)
	ends        time.Time
	number      uint64

	// The budget's mutex guards the rest.
	element         *list.Element // in arriving; nil once it cannot be evicted
	progressed      time.Time
	interrupt       context.CancelFunc // ends a wait for room; nil while it waits for its sender
	evicted         bool
	held, heldLarge int64
}

// open adds a body that must arrive by the time ends. The caller must call close.
func (b *bodyBudget) open(setDeadline func(time.Time), ends time.Time) *incoming {
	in := &incoming{budget: b, setDeadline: setDeadline, ends: ends}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.arriving.Len() >= b.maxArriving {
		slowest, _ := b.arriving.Front().Value.(*incoming)
		slowest.evict()
	}
	b.opened++
	in.number = b.opened
	in.element = b.arriving.PushBack(in)
	in.recordProgress()
	return in
}

// recordProgress moves in to the end of the eviction order, and extends its deadline.
func (in *incoming) recordProgress() {
	in.progressed = time.Now()
	in.budget.arriving.MoveToBack(in.element)
	if next := in.progressed.Add(stepTimeout); next.Before(in.ends) {
		in.setDeadline(next)
	} else {
		in.setDeadline(in.ends)
	}
}

func (in *incoming) leave() {
	if in.element != nil {
		in.budget.arriving.Remove(in.element)
		in.element = nil
	}
}

// progress records that another step of the body has arrived. It returns errEvicted if the body must not be
// read any further.
func (in *incoming) progress() error {
	in.budget.mutex.Lock()
	defer in.budget.mutex.Unlock()
	if in.evicted {
		return errEvicted
	}
	in.recordProgress()
	return nil
}

// isEvicted reports whether the body was evicted. Its Read then fails with a timeout.
func (in *incoming) isEvicted() bool {
	in.budget.mutex.Lock()
	defer in.budget.mutex.Unlock()
	return in.evicted
}

// grow takes n more bytes from the budget. The error is errEvicted, errNoMemory or that of ctx.
func (in *incoming) grow(ctx context.Context, n int64) error {
	b := in.budget
	large := max(in.held+n-smallBodyBytes, 0) - in.heldLarge
	if large <= 0 {
		return in.take(ctx, n, pool{b.total, (*incoming).total, in.mayEvictForSmall})
	}
	if err := in.take(ctx, large, pool{b.large, (*incoming).beyondSmall, in.mayEvictForLarge}); err != nil {
		return err
	}
	return in.take(ctx, n, pool{b.total, (*incoming).total, in.mayEvictForLarge})
}

// pool is memory that bodies acquire.
type pool struct {
	free *semaphore.Weighted
	// held returns the counter of what a body has acquired from it.
	held func(*incoming) *int64
	// mayEvict reports whether a body that has waited for the given time may evict the other.
	mayEvict func(other *incoming, waited time.Duration) bool
}

func (in *incoming) total() *int64 { return &in.held }

func (in *incoming) beyondSmall() *int64 { return &in.heldLarge }

// take acquires n bytes of a room, and evicts other bodies if necessary.
func (in *incoming) take(ctx context.Context, n int64, from pool) error {
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

// wait acquires n bytes of a room as soon as others have released them.
func (in *incoming) wait(ctx context.Context, n int64, from pool) error {
	patience, stop := context.WithTimeout(ctx, memoryWait)
	defer stop()
	in.setWaiting(stop)
	defer in.setWaiting(nil)
	for began := time.Now(); ; {
		in.budget.evict(n, in, from, time.Since(began))
		attempt, end := context.WithTimeout(patience, memoryRetry)
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
			return errNoMemory
		}
	}
}

func (in *incoming) setWaiting(interrupt context.CancelFunc) {
	in.budget.mutex.Lock()
	defer in.budget.mutex.Unlock()
	in.interrupt = interrupt
	if interrupt == nil && !in.evicted {
		in.recordProgress() // waiting for room does not count as slowness of the sender
	}
}

// mayEvictForSmall returns true: an ordinary body may evict any other.
func (in *incoming) mayEvictForSmall(*incoming, time.Duration) bool { return true }

// mayEvictForLarge protects bodies that make progress. If two bodies wait for each other, the smaller one is
// evicted after a while.
func (in *incoming) mayEvictForLarge(other *incoming, waited time.Duration) bool {
	if other.interrupt == nil {
		return time.Since(other.progressed) > evictionGrace
	}
	smaller := other.held < in.held || other.held == in.held && other.number > in.number
	return waited > evictionGrace && smaller
}

// evict evicts bodies until n bytes of a room will become free: large bodies before ordinary ones, because one
// large body makes room for hundreds, and the slowest first within each group.
func (b *bodyBudget) evict(n int64, in *incoming, from pool, waited time.Duration) {
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

// evict ends the Read or wait in progress. The body's goroutine then releases its memory.
func (in *incoming) evict() {
	in.evicted = true
	in.leave()
	in.setDeadline(time.Unix(1, 0))
	if in.interrupt != nil {
		in.interrupt()
	}
}

// complete protects the body from eviction. whole reports whether all of it has arrived; if not, the rest is
// not needed. It returns errEvicted if the body has already been evicted.
func (in *incoming) complete(whole bool) error {
	in.budget.mutex.Lock()
	defer in.budget.mutex.Unlock()
	if in.evicted {
		return errEvicted
	}
	in.leave()
	if whole {
		// net/http keeps reading, to notice that the client disconnects. A deadline that passes meanwhile would
		// end the request.
		in.setDeadline(time.Time{})
	}
	return nil
}

// close releases the body's memory.
func (in *incoming) close() {
	in.budget.mutex.Lock()
	in.leave()
	held, heldLarge := in.held, in.heldLarge
	in.held, in.heldLarge = 0, 0
	in.budget.mutex.Unlock()
	in.budget.total.Release(held)
	in.budget.large.Release(heldLarge)
}
