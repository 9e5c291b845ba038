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

// Deadline returns a context that ends early enough to complete the decision and send it.
func Deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(deadline)*3/4)
	}
	return ctx, func() {}
}

// Run evaluates a part of a Policy within its budget. evaluate must pass the Meter to OPA as its Cancel and as a
// QueryTracer; budget is the number of steps, and input is the size of the input, as SizeOf returns it.
//
// Run returns ErrTooManySteps if the budget is exhausted, and a *LimitError if a value is too large. steps is the
// number of steps that the evaluation used, which is the same on every machine.
func Run(ctx context.Context, turns Turns, code *Code, input int, budget int64, evaluate func(*Meter) error) (steps int64, err error) {
	m := newMeter(int(budget/StepsPerExpression), code)
	m.input = input
	leave := func() {}
	m.enter = func() { leave = turns.Wait(ctx) }
	defer func() { leave() }()
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
		if m.steps > m.limit {
			err = ErrTooManySteps
		}
		steps = int64(m.steps) * StepsPerExpression
	}()
	return 0, evaluate(m)
}
