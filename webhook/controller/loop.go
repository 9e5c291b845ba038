package controller

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"k8s.io/client-go/util/workqueue"
)

const (
	// firstRetry is the delay after a failed reconciliation. It doubles with each consecutive failure, up to
	// lastRetry.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// loopOptions configures a loop.
type loopOptions struct {
	trigger *trigger
	// reconcile does the work. It returns the delay after which to run again without a trigger, or 0 for never.
	reconcile func(context.Context) (again time.Duration, err error)
	// failed is called with each error or panic of reconcile.
	failed func(error)
	// pause is the minimum time between two reconciliations.
	pause time.Duration
	// retry replaces firstRetry and lastRetry if it is not 0.
	retry time.Duration
}

// loop reconciles one thing, one run at a time: at start, on its trigger, after a delay, and after an error. It
// schedules runs with client-go's workqueue.
type loop struct{ loopOptions }

func newLoop(o loopOptions) *loop { return &loop{o} }

// run reconciles until ctx ends. It may be called again: a replica can become the leader several times.
func (l *loop) run(ctx context.Context) {
	first, last := firstRetry, lastRetry
	if l.retry > 0 {
		first, last = l.retry, l.retry
	}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[once](first, last))
	defer queue.ShutDown()
	defer context.AfterFunc(ctx, queue.ShutDown)()
	l.trigger.attach(queue)
	defer l.trigger.detach(queue)
	queue.Add(once{})
	for l.next(ctx, queue) {
	}
}

// next waits for the next reconciliation and runs it. It returns false when ctx has ended.
func (l *loop) next(ctx context.Context, queue workqueue.TypedRateLimitingInterface[once]) bool {
	item, ended := queue.Get()
	if ended {
		return false
	}
	defer queue.Done(item)
	if ctx.Err() != nil {
		return false
	}
	again, err := l.attempt(ctx)
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil:
		l.failed(err)
		queue.AddRateLimited(item)
	default:
		queue.Forget(item)
		if again > 0 {
			queue.AddAfter(item, again)
		}
	}
	sleep(ctx, l.pause)
	return true
}

// attempt reconciles once. It turns a panic into an error, because a bad object must not crash the process that
// serves admission requests.
func (l *loop) attempt(ctx context.Context) (again time.Duration, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = newPanicError(cause)
		}
	}()
	return l.reconcile(ctx)
}

// panicError reports that a reconciliation panicked.
type panicError struct {
	cause string
	stack []byte
}

// newPanicError keeps the message of runtime errors, which contain only types and indices. Any other message
// might quote an object.
func newPanicError(cause any) *panicError {
	text := fmt.Sprintf("%T", cause)
	if defect, ok := cause.(runtime.Error); ok {
		text = defect.Error()
	}
	return &panicError{cause: text, stack: debug.Stack()}
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %s\n%s", e.cause, e.stack) }
