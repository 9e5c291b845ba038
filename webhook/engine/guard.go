package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"

	"taffrail.dev/webhook/review"
)

const (
	// firstLook is when an evaluation begins to be watched. Most have ended by then, and
	// are not watched at all.
	firstLook = 5 * time.Millisecond
	nextLook  = 2 * time.Millisecond
	// grace is how long to wait for an evaluation that was told to stop. One that is inside
	// a single comparison does not hear of it.
	grace = 50 * time.Millisecond
	// maxGrowth is by how much the process's memory may grow while one evaluation is
	// watched. Where the process has a limit of its own (GOMEMLIMIT), a quarter of it if
	// that is less.
	maxGrowth = 128 << 20
)

// ErrTooSlow says that a policy of a user's own took longer than it may.
var ErrTooSlow = errors.New("takes longer than a policy of one's own may")

// errPanic stands for what must not happen, and may not stop the process.
var errPanic = errors.New("the evaluation broke off")

// guarded is how an evaluation ended.
type guarded struct {
	results []review.Result
	err     error
	// fault is ErrTooSlow or ErrTooLarge where the evaluation had to be stopped.
	fault error
	// running is closed when an evaluation ends that could not be stopped; nil for others.
	running <-chan struct{}
}

// guard runs an evaluation that may do anything. It returns when the evaluation ends, was
// stopped, or can be waited for no longer.
func guard(ctx context.Context, limit time.Duration, evaluate func(topdown.Cancel) ([]review.Result, error)) guarded {
	cancel := topdown.NewCancel()
	ended, done := make(chan struct{}), &guarded{}
	go func() {
		defer close(ended)
		defer func() {
			switch broken := recover().(type) {
			case nil:
			case *LimitError:
				done.results, done.err = nil, broken
			default: // what it says may quote the object
				done.results, done.err = nil, errPanic
			}
		}()
		done.results, done.err = evaluate(cancel)
	}()
	reason := watch(ctx, limit, ended)
	if reason == nil {
		return *done
	}
	fault := reason
	if ctx.Err() != nil {
		fault = nil
	}
	cancel.Cancel()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
		if done.err == nil { // just now
			return *done
		}
		return guarded{err: reason, fault: fault}
	case <-timer.C:
		return guarded{err: reason, fault: fault, running: ended}
	}
}

// watch waits for an evaluation and returns nil, or why it has to stop.
func watch(ctx context.Context, limit time.Duration, ended <-chan struct{}) error {
	start := time.Now()
	timer := time.NewTimer(min(firstLook, limit))
	defer timer.Stop()
	var before uint64
	for first := true; ; first = false {
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		}
		now := memory()
		if first {
			before = now
		}
		switch {
		case now > before && now-before > allowedGrowth():
			return ErrTooLarge
		case time.Since(start) >= limit:
			return ErrTooSlow
		}
		timer.Reset(min(nextLook, max(0, limit-time.Since(start))))
	}
}

// memory is what objects take, dead ones included until they are swept, and stacks.
func memory() (total uint64) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	for _, sample := range samples {
		if sample.Value.Kind() == metrics.KindUint64 {
			total += sample.Value.Uint64()
		}
	}
	return total
}

func allowedGrowth() uint64 {
	if limit := debug.SetMemoryLimit(-1); limit > 0 && limit < math.MaxInt64 {
		return min(maxGrowth, uint64(limit)/4)
	}
	return maxGrowth
}

var errNoTime = fmt.Errorf("%w, together with the others", ErrTooSlow)
