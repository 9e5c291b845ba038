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
	// firstRetry is how long a failed reconciliation waits for the next attempt. The time doubles
	// with each failure in a row, up to lastRetry.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// loopOptions are what a loop is made from.
type loopOptions struct {
	trigger *trigger
	// reconcile does the work. It returns how long to wait before it is done again untriggered; if
	// that is 0 it is not.
	reconcile func(context.Context) (again time.Duration, err error)
	// failed is called with each error and panic of reconcile.
	failed func(error)
	// pause is the shortest time from one reconciliation to the next.
	pause time.Duration
	// retry replaces firstRetry and lastRetry if it is not 0.
	retry time.Duration
}

// loop reconciles one thing, never twice at once: when it starts, when its trigger fires, when
// time has passed and again after an error. The schedule is that of client-go's workqueue.
type loop struct{ loopOptions }

func newLoop(o loopOptions) *loop { return &loop{o} }

// run reconciles until ctx ends. It can be called again afterwards: a replica may become the
// leader several times.
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

// next waits for the next reconciliation and does it. It returns false when ctx has ended.
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

// attempt reconciles once. A panic is an error: an object that trips over a defect must not take
// the process down, which answers the API server.
func (l *loop) attempt(ctx context.Context) (again time.Duration, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = newPanicError(cause)
		}
	}()
	return l.reconcile(ctx)
}

// panicError is a panic of a reconciliation.
type panicError struct {
	cause string
	stack []byte
}

// newPanicError keeps the text of the runtime's own errors, which names types and indices. Any
// other text might hold part of an object.
func newPanicError(cause any) *panicError {
	text := fmt.Sprintf("%T", cause)
	if defect, ok := cause.(runtime.Error); ok {
		text = defect.Error()
	}
	return &panicError{cause: text, stack: debug.Stack()}
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %s\n%s", e.cause, e.stack) }
