package sandbox

import (
	"context"
	"runtime"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// Turns limits how many expensive evaluations run at once, and thereby their memory.
type Turns chan struct{}

// NewTurns returns one turn per processor, but at least two.
func NewTurns() Turns { return make(Turns, max(2, runtime.GOMAXPROCS(0))) }

// Wait waits for a turn until ctx ends. leave returns the turn.
func (t Turns) Wait(ctx context.Context) (leave func()) {
	select {
	case t <- struct{}{}:
		return func() { <-t }
	case <-ctx.Done():
		return func() {}
	}
}

// Budget is what all users' Policies together may use for one request. It is not safe for concurrent use.
type Budget struct {
	turns Turns
	left  int
}

// NewBudget returns the budget of one request.
func NewBudget(turns Turns) *Budget { return &Budget{turns: turns, left: maxRequestSteps} }

// Deadline returns a context that ends early enough to complete the decision and send it.
func Deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(deadline)*3/4)
	}
	return ctx, func() {}
}

// Light reports whether the request has used no more steps than most objects need.
func (b *Budget) Light() bool { return maxRequestSteps-b.left <= lightSteps }

// Run evaluates a part of a Policy within its budget. evaluate must pass the Meter to OPA as its Cancel and as
// a QueryTracer; input is the size of the input, as SizeOf returns it.
//
// Run returns a *StepsError if the budget is exhausted, and a *LimitError if a value is too large. steps is the
// number of steps that the evaluation used.
func (b *Budget) Run(ctx context.Context, code *Code, input int, evaluate func(*Meter) error) (steps int, err error) {
	m := newMeter(min(MaxSteps, b.left), code)
	m.input = input
	leave := func() {}
	m.enter = func() { leave = b.turns.Wait(ctx) }
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
