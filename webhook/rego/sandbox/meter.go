package sandbox

import (
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const (
	// StepsPerExpression is how many steps of a Policy's budget an evaluated expression counts as, or a pair of
	// unified values. The compiled engine needs several steps for an expression, and takes less time for them.
	StepsPerExpression = 4
	// LightSteps is the number of steps that an evaluation may take before it waits for a turn. Most evaluations
	// need fewer, so they never wait for expensive ones.
	LightSteps = 20_000 * StepsPerExpression

	// perStep is the rendered size of a value that counts as one step.
	perStep = 32
	// perWeight is the size of the largest value in use at which every further step costs one more, because OPA
	// hashes and compares values between steps. OPA also recurses for each part of the values that it unifies,
	// so this also limits the stack.
	perWeight = 16 << 10
	// perLiteral is the number of parts of a literal in the policy's source that count as one step.
	perLiteral = 64
	// freeResults is the number of results of a rule or comprehension after which each further one costs more
	// than the previous. Values can be chosen so that their hashes collide, and OPA then compares each new
	// element of a set with all others.
	freeResults = 2048
	perResult   = 128
)

// Meter counts the work of one evaluation, and stops it when its budget is exhausted or its request has ended. Its unit
// is an evaluated expression or a pair of unified values; built-in functions and values that are large or deeply shared
// cost more.
// OPA calls it before every expression (topdown.Cancel) and on every unification (topdown.QueryTracer), and
// built-in functions charge it for their operands. Only Cancel may be called from other goroutines.
type Meter struct {
	steps, limit int
	// weight is the cost of a step.
	weight, literal int
	// largest is the size of the largest value in use. sizes caches the sizes of large values.
	largest int
	sizes   map[ast.Value]int
	// input is the size of the whole input: `with` copies parts of it.
	input int
	// patterns caches the regular expressions that were analyzed.
	patterns map[string]pattern
	// last has the last expression of every body. results counts the results of each query.
	last    map[*ast.Expr]bool
	results map[uint64]int
	stopped atomic.Bool
	// enter waits for a turn. It is nil if there is nothing to wait for.
	enter func()
}

func newMeter(limit int, code *Code) *Meter {
	m := &Meter{limit: limit, literal: 1 + code.literal/perLiteral, last: code.last, sizes: map[ast.Value]int{}, results: map[uint64]int{}}
	m.weight = m.literal
	return m
}

// Cancel implements topdown.Cancel.
func (m *Meter) Cancel() { m.stopped.Store(true) }

// Cancelled implements topdown.Cancel. OPA calls it before every expression.
func (m *Meter) Cancelled() bool {
	m.charge(m.weight)
	return m.ended()
}

func (m *Meter) ended() bool { return m.steps > m.limit || m.stopped.Load() }

func (m *Meter) charge(steps int) {
	m.steps = plus(m.steps, steps)
	if m.enter != nil && m.steps > LightSteps/StepsPerExpression {
		enter := m.enter
		m.enter = nil
		enter()
	}
}

// Enabled implements topdown.QueryTracer.
func (m *Meter) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (m *Meter) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer. OPA unifies values without calling Cancelled, as for x = y if both
// are known, or for [x, y] with each element of a set. Panicking is the only way to stop it; Run recovers.
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

// weigh records a value that is in use from now on.
func (m *Meter) weigh(value ast.Value) {
	var size int
	switch value := value.(type) {
	case ast.String:
		m.charge(len(value) / (128 * perStep)) // OPA hashes it
		return
	case ast.Set:
		size = m.size(value)
		m.charge(size / perStep) // OPA compares equal sets in full, even with themselves
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

// size is Rendered without a limit, and visits shared parts once: a value such as [a, a], nested many times, is
// small in memory but may take forever to compare.
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
