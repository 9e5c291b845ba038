package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/review"
)

// Part says what of the policies a request needs.
type Part int

const (
	// Both violations and intents.
	Both Part = iota
	// Deny is the violations alone.
	Deny
	// Inject is the intents alone.
	Inject
)

// withoutValues drops the text of OPA's own errors: it may quote what a rule was
// looking at, and that may be a Secret.
func withoutValues(err error) error {
	var failure *topdown.Error
	if !errors.As(err, &failure) {
		return err
	}
	if failure.Location == nil {
		return errors.New(failure.Code)
	}
	return fmt.Errorf("%s at %s:%d", failure.Code, failure.Location.File, failure.Location.Row)
}

// EvaluationError says that one policy could not be evaluated.
type EvaluationError struct {
	Policy string
	Err    error
}

func (e *EvaluationError) Error() string { return fmt.Sprintf("policy %s: %v", e.Policy, e.Err) }

// Unwrap returns the cause.
func (e *EvaluationError) Unwrap() error { return e.Err }

var errNoResult = errors.New("the evaluation gave no result")

func (p *Program) about(slot int, kind schema.GroupKind) bool {
	return slices.Contains(p.slots[slot].policy.Kinds, kind)
}

// Evaluate gives one result per slot, in their order. A policy that fails has an
// *EvaluationError in its own result and does not touch the others'. The error is not
// nil only where ctx ended before the policies did.
func (p *Program) Evaluate(ctx context.Context, r *review.Request, slots []int, part Part) ([]review.Result, error) {
	results := make([]review.Result, len(slots))
	kind := r.Kind.GroupKind()
	entry := p.entries[kind]
	if entry == nil || len(slots) == 0 {
		return results, nil
	}
	e := &evaluation{program: p, request: r, input: newInput(r)}
	cancel := topdown.NewCancel()
	stop := context.AfterFunc(ctx, cancel.Cancel)
	defer stop()
	e.cancel = cancel

	query := entry.pick(part)
	for _, round := range p.rounds(slots, kind) {
		e.round(ctx, query, part, slots, round, results)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("evaluating policies: %w", context.Cause(ctx))
		}
	}
	return results, nil
}

func (e *entry) pick(part Part) *query {
	switch part {
	case Deny:
		return e.deny
	case Inject:
		return e.inject
	case Both:
	}
	return e.both
}

// rounds splits the slots so that no policy stands twice in one: parameters are found
// by policy id, so each further set of parameters takes one more evaluation.
func (p *Program) rounds(slots []int, kind schema.GroupKind) [][]int {
	var rounds [][]int
	for position, slot := range slots {
		if !p.about(slot, kind) {
			continue
		}
		placed := false
		for i := range rounds {
			if !p.contains(slots, rounds[i], p.slots[slot].policy) {
				rounds[i] = append(rounds[i], position)
				placed = true
				break
			}
		}
		if !placed {
			rounds = append(rounds, append(make([]int, 0, len(slots)), position))
		}
	}
	return rounds
}

func (p *Program) contains(slots, round []int, policy *Policy) bool {
	for _, position := range round {
		if p.slots[slots[position]].policy == policy {
			return true
		}
	}
	return false
}

// evaluation is what the rounds of one request share.
type evaluation struct {
	program *Program
	request *review.Request
	input   map[string]any
	cancel  topdown.Cancel
}

func (e *evaluation) round(ctx context.Context, q *query, part Part, slots, round []int, results []review.Result) {
	if q == nil {
		return
	}
	input := e.withParameters(slots, round)
	answer, err := e.run(ctx, q, input)
	for _, position := range round {
		slot := &e.program.slots[slots[position]]
		if err == nil {
			if results[position], err = answer.of(slot, part, e.request); err == nil {
				continue
			}
			err = nil // of this policy only; the next one may be fine
		}
		results[position] = e.evaluateAlone(ctx, slot, part, input)
	}
}

// evaluateAlone finds out what one policy says, or what is wrong with it, after a
// query for several has failed: in OPA a conflict in one fails the whole query, and a
// failing built-in is silence.
func (e *evaluation) evaluateAlone(ctx context.Context, s *slot, part Part, input *ast.Term) review.Result {
	answer, err := e.run(ctx, e.program.alone[s.policy.ID], input)
	if err == nil {
		var result review.Result
		if result, err = answer.alone(s, part, e.request); err == nil {
			return result
		}
	}
	return review.Result{Err: &EvaluationError{Policy: s.policy.ID, Err: withoutValues(err)}}
}

// withParameters is the input of one round. Rounds follow one another, so they share
// all of it but the parameters.
func (e *evaluation) withParameters(slots, round []int) *ast.Term {
	parameters := make([][2]*ast.Term, 0, len(round))
	for _, position := range round {
		slot := &e.program.slots[slots[position]]
		parameters = append(parameters, [2]*ast.Term{slot.id, slot.parameters})
	}
	e.input["parameters"] = ast.NewObject(parameters...)
	return ast.NewTerm(ast.LazyObject(e.input))
}

// answer is what a query bound.
type answer struct {
	deny, inject ast.Value
}

func (e *evaluation) run(ctx context.Context, q *query, input *ast.Term) (answer, error) {
	var a answer
	transaction, err := e.program.store.NewTransaction(ctx, storage.TransactionParams{})
	if err != nil {
		return a, err
	}
	defer e.program.store.Abort(ctx, transaction)
	var failures []topdown.Error
	found := false
	err = topdown.NewQuery(q.body).
		WithCompiler(e.program.compiler).
		WithQueryCompiler(q.compiler).
		WithStore(e.program.store).
		WithTransaction(transaction).
		WithCancel(e.cancel).
		WithMetrics(metrics.NoOp()).
		WithIndexing(e.program.indexing).
		WithBuiltinErrorList(&failures).
		WithInput(input).
		Iter(ctx, func(bound topdown.QueryResult) error {
			found = true
			if term := bound["deny"]; term != nil {
				a.deny = term.Value
			}
			if term := bound["inject"]; term != nil {
				a.inject = term.Value
			}
			return nil
		})
	switch {
	case err != nil:
		return a, err
	case len(failures) > 0:
		return a, &failures[0]
	case !found:
		return a, errNoResult
	}
	return a, nil
}
