package compile

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// Budget limits the work of one evaluation. What is counted depends on the policy, its parameters and the input, and
// on nothing else: it is the same on every machine and under any load.
type Budget struct {
	// Steps is the number of steps. A call, an iteration and a built-in function are a step each, and more if they
	// look at large values. A step takes some tens of nanoseconds.
	Steps int64
	// Bytes is the approximate size of all the values that are made, whether they are still in use or not. They are
	// counted before they are made.
	Bytes int64
}

// Usage is what an evaluation has used of its Budget.
type Usage = Budget

// DefaultBudget is enough for any policy of a sane size, and is used up within a few hundredths of a second.
var DefaultBudget = Budget{Steps: 1_000_000, Bytes: 32 << 20}

var unlimited = Budget{Steps: math.MaxInt64 / 2, Bytes: math.MaxInt64 / 2}

// Resource is what a Budget limits.
type Resource string

// The resources.
const (
	Steps Resource = "steps"
	Bytes Resource = "bytes"
)

// ErrBudget is wrapped by every BudgetError.
var ErrBudget = errors.New("exceeds its budget")

// BudgetError is returned when an evaluation needs more than its Budget.
type BudgetError struct {
	Resource Resource
	// Used is what the evaluation had used when it was stopped, including what it was refused.
	Used, Limit int64
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("used more than %s %s", Thousands(e.Limit), e.Resource)
}

// Unwrap returns ErrBudget.
func (e *BudgetError) Unwrap() error { return ErrBudget }

// Thousands returns a number with a comma after every three digits, for people.
func Thousands(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", Thousands(n/1000), n%1000)
}

const (
	// perStep is how many bytes of a text are as much work to look at as a step.
	perStep = 64
	// pollEvery is how many steps pass between two looks at whether the request has ended.
	pollEvery = 4096
	// slot is the size of one value in a collection.
	slot = 16
)

// meter counts what an evaluation uses, and ends it when the budget is used up or its context has ended.
type meter struct {
	used   Usage
	budget Budget
	// pause has what may be used before the meter looks at the budget, the context and whether it is heavy.
	pause Budget
	ctx   context.Context
	// heavy is what an evaluation may use before onHeavy is called, once.
	heavy   Budget
	onHeavy func()
	// lent are names that are in use: see names.
	lent []string
}

// abort is what the meter panics with. Nothing else could end an evaluation in the middle of a comparison without
// a check at every level of it. Evaluate recovers.
type abort struct{ err error }

func (m *meter) abort(err error) {
	panic(abort{err}) //nolint:forbidigo // Evaluate recovers
}

// OnceHeavy has call called once in each evaluation that uses more than what is given, at the moment at which it does.
// A nil call is for none.
func (m *Machine) OnceHeavy(more Budget, call func()) { m.heavy, m.onHeavy = more, call }

// step counts work that is about to be done.
func (m *meter) step(n int) {
	m.used.Steps += int64(n)
	if m.used.Steps > m.pause.Steps {
		m.look()
	}
}

// read counts looking at a text of a length.
func (m *meter) read(bytes int) { m.step(bytes / perStep) }

// alloc counts a value that is about to be made.
func (m *meter) alloc(bytes int) {
	m.used.Bytes += int64(bytes)
	if bytes >= perStep {
		m.used.Steps += int64(bytes / perStep)
	}
	if m.used.Bytes > m.pause.Bytes || m.used.Steps > m.pause.Steps {
		m.look()
	}
}

func (m *meter) look() {
	switch {
	case m.used.Steps > m.budget.Steps:
		m.abort(&BudgetError{Resource: Steps, Used: m.used.Steps, Limit: m.budget.Steps})
	case m.used.Bytes > m.budget.Bytes:
		m.abort(&BudgetError{Resource: Bytes, Used: m.used.Bytes, Limit: m.budget.Bytes})
	case m.ctx.Err() != nil:
		m.abort(context.Cause(m.ctx))
	}
	if m.onHeavy != nil && (m.used.Steps > m.heavy.Steps || m.used.Bytes > m.heavy.Bytes) {
		call := m.onHeavy
		m.onHeavy = nil
		call()
	}
	m.rest()
}

// rest sets what may be used before the next look.
func (m *meter) rest() {
	m.pause = Budget{Steps: min(m.used.Steps+pollEvery, m.budget.Steps), Bytes: m.budget.Bytes}
	if m.onHeavy != nil {
		m.pause.Bytes = min(m.pause.Bytes, m.heavy.Bytes)
	}
}

// begin starts to count from zero.
func (m *meter) begin(ctx context.Context, budget Budget) {
	m.used, m.budget, m.ctx, m.lent = Usage{}, budget, ctx, m.lent[:0]
	m.rest()
}
