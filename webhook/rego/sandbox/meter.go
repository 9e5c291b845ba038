package sandbox

import (
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const (
	// MaxSteps is the budget of one user's Policy for one object under one set of parameters: of
	// its deny rules, and again of its inject rules. A step is an expression that is evaluated or
	// a pair of values that is unified; built-in functions and values that are large or deeply
	// shared cost more. Steps are counted and never timed, so an object is decided alike on a
	// laptop and on a server under load.
	MaxSteps = 250_000
	// maxRequestSteps is the budget of all users' Policies together in one evaluation. It
	// keeps an object that exhausts many Policies within the deadline of its request.
	maxRequestSteps = 3 * MaxSteps
	// lightSteps is how many steps an evaluation may take before it waits for a turn. Most
	// evaluations end before, so nobody waits behind those that are expensive.
	lightSteps = 20_000

	// perStep is how much of a value's rendered size is as much work as a step.
	perStep = 32
	// perWeight is the rendered size of the largest value in use that makes every further
	// step cost one more: OPA hashes and compares values between two steps. It recurses for each part of
	// two values that it unifies, so this bounds the stack too.
	perWeight = 16 << 10
	// perLiteral is how many parts of a literal in the policy's source are as much work as a step.
	perLiteral = 64
	// freeResults is how many results a rule or comprehension may have before each further one
	// costs more than the one before: the hashes of values of one's choice can be made to
	// collide, and then OPA compares each new element of a set with all others.
	freeResults = 2048
	perResult   = 128
)

// Meter counts the work of one evaluation, and stops it when its budget is exhausted or its
// request has ended. As a topdown.Cancel it is asked before every expression, as a
// topdown.QueryTracer it sees every unification, and built-in functions charge it for what they
// look at. All but Cancel is for the goroutine of the evaluation.
type Meter struct {
	steps, limit int
	// weight is what a step costs.
	weight, literal int
	// largest is the size of the largest value in use, and sizes has those of large values.
	largest int
	sizes   map[ast.Value]int
	// input is the size of the whole input, which `with` copies parts of.
	input int
	// patterns are the regular expressions that were seen.
	patterns map[string]pattern
	// last has the last expression of every body, and results counts the results of each query.
	last    map[*ast.Expr]bool
	results map[uint64]int
	stopped atomic.Bool
	// enter waits for a turn; nil when there is nothing to wait for.
	enter func()
}

func newMeter(limit int, code *Code) *Meter {
	m := &Meter{limit: limit, literal: 1 + code.literal/perLiteral, last: code.last, sizes: map[ast.Value]int{}, results: map[uint64]int{}}
	m.weight = m.literal
	return m
}

// Cancel is part of topdown.Cancel.
func (m *Meter) Cancel() { m.stopped.Store(true) }

// Cancelled is part of topdown.Cancel. OPA calls it before every expression.
func (m *Meter) Cancelled() bool {
	m.charge(m.weight)
	return m.ended()
}

func (m *Meter) ended() bool { return m.steps > m.limit || m.stopped.Load() }

func (m *Meter) charge(steps int) {
	m.steps = plus(m.steps, steps)
	if m.enter != nil && m.steps > lightSteps {
		enter := m.enter
		m.enter = nil
		enter()
	}
}

// err is not nil when the budget is exhausted.
func (m *Meter) err() error {
	if m.steps <= m.limit {
		return nil
	}
	return &StepsError{Used: m.steps, Limit: m.limit}
}

// Enabled is part of topdown.QueryTracer.
func (m *Meter) Enabled() bool { return true }

// Config is part of topdown.QueryTracer.
func (m *Meter) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent is part of topdown.QueryTracer. OPA unifies two values without asking Cancelled:
// x = y where both are known, or [x, y] with each element of a set. A panic is the only way
// out; Run recovers.
func (m *Meter) TraceEvent(event topdown.Event) {
	switch event.Op {
	case topdown.EvalOp:
		if expr, ok := event.Node.(*ast.Expr); ok && len(expr.With) > 0 {
			m.charge(len(expr.With) * (1 + m.input/(8*perStep)))
		}
	case topdown.RedoOp:
		if expr, ok := event.Node.(*ast.Expr); ok && m.last[expr] {
			if m.results[event.QueryID]++; m.results[event.QueryID] > freeResults {
				m.charge(m.results[event.QueryID] / perResult)
			}
		}
	case topdown.UnifyOp:
		m.charge(m.weight)
		if expr, ok := event.Node.(*ast.Expr); ok {
			m.weigh(expr.Operand(0).Value)
			m.weigh(expr.Operand(1).Value)
		}
		if m.ended() {
			panic(&topdown.Error{Code: topdown.CancelErr}) //nolint:forbidigo // Run recovers; a stack that overflows ends the process
		}
	}
}

// weigh takes note of a value that is in use from now on.
func (m *Meter) weigh(value ast.Value) {
	var size int
	switch value := value.(type) {
	case ast.String:
		m.charge(len(value) / (128 * perStep)) // it is hashed
		return
	case ast.Set:
		size = m.size(value)
		m.charge(size / perStep) // equal sets are compared whole, even with themselves
	case *ast.Array, ast.Object:
		size = m.size(value)
	default:
		return
	}
	if size > m.largest {
		m.largest = size
		m.weight = m.literal + size/perWeight
	}
}

// size is what Rendered returns, without its limit and in time that does not depend on how
// often parts are shared: [a, a] may be small in memory and endless to compare.
func (m *Meter) size(value ast.Value) int {
	if known, ok := m.sizes[value]; ok {
		return known
	}
	total, parts := 2, 0
	part := func(term *ast.Term) {
		parts++
		total = plus(total, m.sizeOf(term))
	}
	switch value := value.(type) {
	case *ast.Array:
		value.Foreach(part)
	case ast.Set:
		value.Foreach(part)
	case ast.Object:
		value.Foreach(func(key, member *ast.Term) { part(key); part(member) })
	}
	m.charge(parts / (perStep / 2))
	if total > 8*perStep {
		m.sizes[value] = total
	}
	return total
}

func (m *Meter) sizeOf(term *ast.Term) int {
	switch value := term.Value.(type) {
	case ast.String:
		return 2 + len(value)
	case ast.Number:
		return 2 + len(value)
	case *ast.Array, ast.Set, ast.Object:
		return m.size(value)
	}
	return 7
}

// SizeOf returns the size of values, in time that does not depend on how often parts are shared.
func SizeOf(terms ...*ast.Term) (size int) {
	m := newMeter(0, &Code{})
	for _, term := range terms {
		size = plus(size, m.sizeOf(term))
	}
	return size
}

var (
	_ topdown.Cancel      = (*Meter)(nil)
	_ topdown.QueryTracer = (*Meter)(nil)
)
