package admission

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// arriving opens a body and records its deadlines.
func arriving(b *bodyBudget) (*incoming, *deadline) {
	d := &deadline{}
	return b.open(d.set, time.Now().Add(time.Hour)), d
}

type deadline struct {
	mutex sync.Mutex
	at    time.Time
}

func (d *deadline) set(t time.Time) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.at = t
}

// passed reports whether a Read would end now.
func (d *deadline) passed() bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return !d.at.IsZero() && d.at.Before(time.Now())
}

// grow acquires memory, and retries if others do not release it in time, which happens on a busy machine.
func grow(t *testing.T, in *incoming, n int64) {
	t.Helper()
	if err := growing(t.Context(), in, n); err != nil {
		t.Fatalf("%d bytes more: %v", n, err)
	}
}

func growing(ctx context.Context, in *incoming, n int64) (err error) {
	for range 100 {
		if err = in.grow(ctx, n); !errors.Is(err, errNoMemory) {
			return err
		}
	}
	return err
}

// hold opens bodies until none of n bytes fits, and closes those that are evicted, as the goroutines that read
// them do.
func hold(t *testing.T, b *bodyBudget, count int, n int64) []*incoming {
	t.Helper()
	var all []*incoming
	for range count {
		in, _ := arriving(b)
		grow(t, in, n)
		all = append(all, in)
	}
	return all
}

// closing closes evicted bodies, as their goroutines do.
func closing(t *testing.T, all ...*incoming) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		for ctx.Err() == nil {
			all = slices.DeleteFunc(all, func(in *incoming) bool {
				if !in.isEvicted() {
					return false
				}
				in.close()
				return true
			})
			time.Sleep(time.Millisecond)
		}
	})
	t.Cleanup(func() { stop(); ended.Wait() })
}

func TestTheSlowestBodyIsEvicted(t *testing.T) {
	b := newBodyBudget(0, 3)
	first, firstDeadline := arriving(b)
	second, secondDeadline := arriving(b)
	third, _ := arriving(b)
	if err := first.progress(); err != nil {
		t.Fatal(err)
	}
	arriving(b)
	if !second.isEvicted() || !secondDeadline.passed() || second.progress() == nil {
		t.Error("the second, which made no progress, goes on")
	}
	if err := second.complete(true); !errors.Is(err, errEvicted) {
		t.Errorf("complete after that: %v", err)
	}
	if first.isEvicted() || third.isEvicted() || firstDeadline.passed() {
		t.Error("others are evicted too")
	}
}

func TestACompleteBodyIsNeverEvicted(t *testing.T) {
	b := newBodyBudget(0, 2)
	whole, wholeDeadline := arriving(b)
	grow(t, whole, smallBodyBytes)
	if err := whole.complete(true); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		arriving(b)
	}
	if whole.isEvicted() || !wholeDeadline.at.IsZero() {
		t.Errorf("evicted %t, deadline %v", whole.isEvicted(), wholeDeadline.at)
	}
}

// Large bodies that have half arrived leave room for ordinary ones, which evict nothing.
func TestLargeBodiesLeaveRoomForOrdinaryOnes(t *testing.T) {
	const size = 16 << 20
	b := newBodyBudget(size, 1000)
	one, _ := arriving(b)
	grow(t, one, maxBody)
	two, _ := arriving(b)
	grow(t, two, size*3/4-maxBody+smallBodyBytes)
	for _, in := range hold(t, b, 60, smallBodyBytes) {
		if in.isEvicted() {
			t.Fatal("an ordinary body is evicted")
		}
	}
	if one.isEvicted() || two.isEvicted() {
		t.Error("ordinary bodies evict large ones while there is room")
	}
}

// If stalled ordinary bodies have taken all the memory, the next one still gets some.
func TestAnOrdinaryBodyIsAlwaysLetIn(t *testing.T) {
	b := newBodyBudget(0, 1<<20)
	stalled := hold(t, b, 160, smallBodyBytes)
	large, _ := arriving(b)
	grow(t, large, smallBodyBytes)
	closing(t, append(stalled, large)...)
	for range 100 {
		in, _ := arriving(b)
		grow(t, in, 12<<10)
		if err := in.complete(true); err != nil {
			t.Fatal(err)
		}
		in.close()
	}
}

// If there is no room at all, a large body that makes progress is evicted rather than the earlier ordinary
// ones: on a busy machine they all look slow.
func TestLargeBodiesMakeRoomFirst(t *testing.T) {
	const size = 16 << 20
	b := newBodyBudget(size, 1000)
	slow := hold(t, b, size/4/smallBodyBytes-2, smallBodyBytes)
	one, _ := arriving(b)
	grow(t, one, maxBody)
	two, _ := arriving(b)
	grow(t, two, size*3/4-maxBody+2*smallBodyBytes)
	closing(t, one, two)
	in, _ := arriving(b)
	grow(t, in, smallBodyBytes)
	if !one.isEvicted() || slices.ContainsFunc(slow, (*incoming).isEvicted) {
		t.Errorf("the large one is evicted: %t; an ordinary one: %t", one.isEvicted(), slices.ContainsFunc(slow, (*incoming).isEvicted))
	}
}

// A large body waits, for a limited time, until another one has been decided.
func TestALargeBodyWaitsForRoom(t *testing.T) {
	b := newBodyBudget(0, 100)
	one, _ := arriving(b)
	grow(t, one, maxBody)
	if err := one.complete(true); err != nil {
		t.Fatal(err)
	}
	two, _ := arriving(b)
	grow(t, two, smallBodyBytes)
	if err := two.grow(t.Context(), 1<<20); !errors.Is(err, errNoMemory) {
		t.Fatalf("room twice: %v", err)
	}
	two.close()
	three, _ := arriving(b)
	grow(t, three, smallBodyBytes)
	grown := make(chan error)
	go func() { grown <- growing(t.Context(), three, 1<<20) }()
	one.close()
	if err := <-grown; err != nil {
		t.Error(err)
	}
}

// Of two large bodies, the one that has stalled is evicted.
func TestALargeBodyThatStopsGivesWay(t *testing.T) {
	b := newBodyBudget(0, 100)
	stopped, _ := arriving(b)
	grow(t, stopped, 7<<20)
	going, _ := arriving(b)
	closing(t, stopped)
	for range 7 {
		grow(t, going, 1<<20)
	}
	if !stopped.isEvicted() || going.isEvicted() {
		t.Errorf("evicted: %t and %t", stopped.isEvicted(), going.isEvicted())
	}
}

// If many large bodies arrive quickly at once, some get through, however they have shared the memory, and
// ordinary ones are not delayed.
func TestLargeBodiesDoNotBlockOneAnother(t *testing.T) {
	b := newBodyBudget(0, 1000)
	var whole atomic.Int64
	var callers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer callers.Wait()
	defer stop()
	for range 80 {
		callers.Go(func() {
			for ctx.Err() == nil {
				in, _ := arriving(b)
				err := in.grow(ctx, smallBodyBytes)
				for held := int64(smallBodyBytes); err == nil && held < 6<<20; held += 256 << 10 {
					err = in.grow(ctx, 256<<10)
				}
				if err == nil && in.complete(true) == nil {
					whole.Add(1)
				}
				in.close()
			}
		})
	}
	for i := 0; i < 100 || whole.Load() < 3; i++ {
		in, _ := arriving(b)
		grow(t, in, 12<<10)
		if err := in.complete(true); err != nil {
			t.Fatal(err)
		}
		in.close()
		time.Sleep(time.Millisecond)
	}
}

// Whatever callers do, the budget is never exceeded and all memory is released in the end.
func TestBodyBudgetHolds(t *testing.T) {
	for _, seed := range []uint64{1, rand.Uint64()} {
		t.Logf("seed %d", seed)
		const size, most = 12 << 20, 16
		b := newBodyBudget(size, most)
		var holding ledger
		var callers sync.WaitGroup
		for i := range uint64(32) {
			callers.Go(func() {
				random := rand.New(rand.NewPCG(seed, i))
				for range 30 {
					holding.caller(t, b, random, size, most)
				}
			})
		}
		callers.Wait()
		if !b.total.TryAcquire(size) || !b.large.TryAcquire(size-size/smallBodyShare) || b.arriving.Len() != 0 {
			t.Errorf("not everything came back; %d bodies are still arriving", b.arriving.Len())
		}
	}
}

// ledger counts what callers hold together.
type ledger struct {
	mutex       sync.Mutex
	held, large int64
}

func (l *ledger) add(t *testing.T, held, large, size int64) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.held += held
	l.large += large
	if l.held > size || l.large > size-size/smallBodyShare {
		t.Errorf("%d bytes of %d are held, by large bodies %d", l.held, size, l.large)
	}
}

// caller sends one body of random size in random steps, and may stop in the middle.
func (l *ledger) caller(t *testing.T, b *bodyBudget, random *rand.Rand, size int64, most int) {
	in, _ := arriving(b)
	defer in.close()
	var held, large int64
	defer func() { l.add(t, -held, -large, size) }()
	b.mutex.Lock()
	if n := b.arriving.Len(); n > most {
		t.Errorf("%d bodies are arriving", n)
	}
	b.mutex.Unlock()
	left := int64(random.IntN(40 << 10))
	if random.IntN(4) == 0 {
		left = int64(random.IntN(maxBody))
	}
	for left > 0 {
		n := min(left, 1+int64(random.IntN(int(max(held, 8<<10)))))
		patient, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		err := in.grow(patient, n)
		cancel()
		if err != nil {
			if !errors.Is(err, errEvicted) && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			return
		}
		beyond := max(held+n-smallBodyBytes, 0) - max(held-smallBodyBytes, 0)
		l.add(t, n, beyond, size)
		held, large, left = held+n, large+beyond, left-n
		if random.IntN(20) == 0 {
			time.Sleep(time.Duration(random.IntN(3)) * time.Millisecond)
		}
	}
	if in.complete(true) != nil {
		return
	}
	others := make([]*incoming, most+1)
	for i := range others {
		others[i], _ = arriving(b)
	}
	if in.isEvicted() {
		t.Error("a complete body is evicted")
	}
	for _, other := range others {
		other.close()
	}
}

// An evicted body gets no more memory, even if there is some, and releases all that it has.
func TestAnEvictedBodyGrowsNoMore(t *testing.T) {
	b := newBodyBudget(0, 1)
	evicted, _ := arriving(b)
	grow(t, evicted, smallBodyBytes)
	arriving(b)
	if err := evicted.grow(t.Context(), 1); !errors.Is(err, errEvicted) {
		t.Errorf("got %v", err)
	}
	evicted.close()
	if evicted.held != 0 || !b.total.TryAcquire(int64(maxBody)) {
		t.Errorf("%d bytes are held after it", evicted.held)
	}
}
