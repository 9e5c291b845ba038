package sandbox

import (
	"context"
	"runtime"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// Turns limits how many expensive evaluations run at once, and so the memory that they hold.
type Turns chan struct{}

// NewTurns returns as many turns as there are processors, and two at least.
func NewTurns() Turns { return make(Turns, max(2, runtime.GOMAXPROCS(0))) }

// wait waits for a turn until ctx ends. leave gives the turn back.
func (t Turns) wait(ctx context.Context) (leave func()) {
	select {
	case t <- struct{}{}:
		return func() { <-t }
	case <-ctx.Done():
		return func() {}
	}
}

// Budget is what all users' Policies together may use for one request. It is for one goroutine.
type Budget struct {
	turns Turns
	left  int
}

// NewBudget returns the budget of a request.
func NewBudget(turns Turns) *Budget { return &Budget{turns: turns, left: maxRequestSteps} }

// Deadline returns a context that ends early enough for the decision to be made and sent.
func Deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(deadline)*3/4)
	}
	return ctx, func() {}
}

// Light reports whether the request used no more steps than most objects do.
func (b *Budget) Light() bool { return maxRequestSteps-b.left <= lightSteps }

// Run evaluates a part of a Policy within its budget. evaluate passes the Meter to OPA as its Cancel and as
// a QueryTracer; input is the size of the input, as SizeOf returns it.
//
// An exhausted budget is a *StepsError, and a value that is too large a *LimitError. steps is what the
// evaluation used.
func (b *Budget) Run(ctx context.Context, code *Code, input int, evaluate func(*Meter) error) (steps int, err error) {
	m := newMeter(min(MaxSteps, b.left), code)
	m.input = input
	leave := func() {}
	m.enter = func() { leave = b.turns.wait(ctx) }
	defer func() {
		leave()
		b.left -= min(m.steps, m.limit)
	}()
	stop := context.AfterFunc(ctx, m.Cancel)
	defer stop()
	defer func() {
		switch broken := recover().(type) {
		case nil:
		case *LimitError:
			err = broken
		case *topdown.Error:
			err = broken
		default:
			err = errPanic
		}
		if exhausted := m.err(); exhausted != nil {
			err = exhausted
		}
		steps = m.steps
	}()
	return 0, evaluate(m)
}
