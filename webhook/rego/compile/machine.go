package compile

import (
	"context"
	"errors"
	"sync"
)

// Machines keeps machines for reuse. It is safe for concurrent use; the zero value is ready.
type Machines struct{ pool sync.Pool }

// Get returns a machine. It must be given back with Put.
func (p *Machines) Get() *Machine {
	if m, ok := p.pool.Get().(*Machine); ok {
		return m
	}
	return &Machine{}
}

// Put gives a machine back.
func (p *Machines) Put(m *Machine) {
	m.forget()
	p.pool.Put(m)
}

// Machine evaluates programs, one after another. It is for one goroutine.
type Machine struct {
	meter
	// stack has the frames of the functions that are being called; top is where the next one begins, and high the
	// highest that top has been since the stack was last cleared.
	stack     []any
	top, high int
	// memory has the values of rules that have been evaluated, by the number of their functions.
	memory []any
	// results has those of expensive functions, by key: see remembered. key is where keys are written.
	results map[string]any
	key     []byte
	// slow has the functions a call of which has taken long, by number.
	slow []bool
	// failure is that of the first built-in function that failed.
	failure *Error
	// found has the results of a query.
	found    []any
	patterns patterns
}

// undefinedMark is what memory holds of a rule that is undefined.
type undefinedMark struct{}

var undefined any = undefinedMark{}

// Evaluate returns the value of a rule of the program, nil if it is undefined. The error is a *BudgetError, an *Error,
// ErrBroken, or the cause for which ctx has ended.
func (m *Machine) Evaluate(ctx context.Context, p *Program, rule string, input any, budget Budget) (value any, err error) {
	m.prepare(ctx, p, budget)
	fn := p.rules[rule]
	if fn == nil {
		return nil, errors.New("the program has no rule " + rule)
	}
	return m.protect(func() any { return m.rule(fn, input, emptyObject) })
}

// Used returns what the last evaluation has used.
func (m *Machine) Used() Usage { return m.used }

func (m *Machine) prepare(ctx context.Context, p *Program, budget Budget) {
	m.begin(ctx, budget)
	m.failure, m.top = nil, 0
	if len(m.stack) < p.depth {
		m.stack = make([]any, p.depth)
	}
	m.forgetResults()
	if cap(m.memory) < p.count {
		m.memory, m.slow = make([]any, p.count), make([]bool, p.count)
	}
	m.memory, m.slow = m.memory[:p.count], m.slow[:p.count]
	clear(m.memory)
	clear(m.slow)
}

// ErrBroken is returned for a panic, whose text may quote the object. No other policy is affected.
var ErrBroken = errors.New("the evaluation broke off")

// protect calls evaluate, and returns the error that has ended it.
func (m *Machine) protect(evaluate func() any) (value any, err error) {
	defer func() {
		switch broken := recover().(type) {
		case nil:
		case abort:
			value, err = nil, broken.err
		default:
			value, err = nil, ErrBroken
		}
	}()
	value = evaluate()
	if m.failure != nil {
		return nil, m.failure
	}
	return value, nil
}

// maxIdle is how many names and results an idle machine has room for. Whoever has evaluated one large object must not
// make all that follow clear what it has needed.
const maxIdle = 1024

// forget drops what belongs to an input, and the room that only a large one needs. The patterns stay.
func (m *Machine) forget() {
	clear(m.stack[:min(m.high, len(m.stack))])
	clear(m.memory[:cap(m.memory)])
	m.forgetResults()
	m.lent, m.key = emptied(m.lent, maxIdle), emptied(m.key, 4*maxKey)
	m.found = emptied(m.found, maxIdle)
	m.ctx, m.failure, m.onHeavy, m.high = nil, nil, nil, 0
}

func (m *Machine) forgetResults() {
	if len(m.results) > maxIdle {
		m.results = nil
	}
	clear(m.results)
}

// emptied returns a slice of no elements that holds none behind its end either: the same one unless it is large.
func emptied[T any](s []T, most int) []T {
	if cap(s) > most {
		return nil
	}
	clear(s[:cap(s)])
	return s[:0]
}

// enter returns a frame for a function. What the function looks at before it is assigned is undefined; all else may
// hold what another function has left there.
func (m *Machine) enter(fn *function) []any {
	base := m.top
	m.top += fn.places
	m.high = max(m.high, m.top)
	frame := m.stack[base:m.top:m.top]
	for _, place := range fn.cleared {
		frame[place] = nil
	}
	m.step(fn.weight)
	return frame
}

// run evaluates a function whose arguments are in its frame, and returns its result.
func (m *Machine) run(fn *function, frame []any) any {
	for _, b := range fn.body {
		for _, op := range b {
			if left := op(m, frame); left != 0 {
				if left >= leaveFunction/2 { // leaveFunction, less the blocks around it, which are fewer than maxNesting
					m.top -= fn.places
					return frame[fn.result]
				}
				break
			}
		}
	}
	m.top -= fn.places
	return frame[fn.result]
}

// rule returns the value of a function without arguments. It is evaluated once.
func (m *Machine) rule(fn *function, input, data any) any {
	if fn.constant != nil {
		return fn.constant.value
	}
	switch known := m.memory[fn.number]; known {
	case nil:
	case undefined:
		return nil
	default:
		return known
	}
	frame := m.enter(fn)
	frame[0], frame[1] = input, data
	value := m.run(fn, frame)
	m.memory[fn.number] = value
	if value == nil {
		m.memory[fn.number] = undefined
	}
	return value
}

// Error is returned when a rule cannot be evaluated. It quotes nothing that the rule was looking at.
type Error struct {
	// Code is OPA's, as in eval_conflict_error.
	Code string
	// File and Row of the rule or expression. File is empty if it is not known.
	File string
	Row  int
}

func (e *Error) Error() string { return e.Code }

// fail takes note of a built-in function that has failed. Its expression is undefined, and the evaluation goes on:
// as in OPA, a conflict that it still runs into matters more.
func (m *Machine) fail(err *Error) {
	if m.failure == nil {
		m.failure = err
	}
}
