package rego

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

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/sandbox"
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
	if limit := new(sandbox.LimitError); errors.As(err, &limit) {
		return limit
	}
	if steps := new(sandbox.StepsError); errors.As(err, &steps) {
		return steps
	}
	var failure *topdown.Error
	if !errors.As(err, &failure) {
		return err
	}
	fault := &RuleError{Code: failure.Code}
	if failure.Location != nil {
		fault.File, fault.Row = failure.Location.File, failure.Location.Row
	}
	return fault
}

// RuleError is returned when OPA cannot evaluate a rule. It leaves out OPA's own words, which may
// quote the object.
type RuleError struct {
	// Code is OPA's, as in eval_conflict_error.
	Code string
	// File is empty if the place is not known.
	File string
	Row  int
}

func (e *RuleError) Error() string {
	if e.File == "" {
		return e.Code
	}
	return fmt.Sprintf("%s at %s:%d", e.Code, e.File, e.Row)
}

// EvaluationError says that one policy could not be evaluated.
type EvaluationError struct {
	Policy string
	Err    error
}

func (e *EvaluationError) Error() string { return fmt.Sprintf("policy %s: %v", e.Policy, e.Err) }

// Unwrap returns the cause.
func (e *EvaluationError) Unwrap() error { return e.Err }

// FailureReason says why a policy could not decide an object, for whoever writes the object: in words
// that follow "it", and without anything that a rule has put into them.
func FailureReason(err error) string {
	var steps *sandbox.StepsError
	var limit *sandbox.LimitError
	var rule *RuleError
	switch {
	case errors.As(err, &steps):
		return steps.Error()
	case errors.Is(err, sandbox.ErrNoTime):
		return sandbox.ErrNoTime.Error()
	case errors.As(err, &limit):
		return "produces more than a policy may: " + limit.Error()
	case errors.Is(err, sandbox.ErrTooLarge):
		return "produces more than a policy may"
	case errors.As(err, &rule):
		return "fails with " + rule.Error()
	}
	return "fails, see Taffrail's log"
}

var errNoResult = errors.New("the evaluation returned no result")

func (p *Program) about(slot int, kind schema.GroupKind) bool {
	return slices.Contains(p.slots[slot].policy.Kinds, kind)
}

// Evaluate gives one result per slot, in their order. A policy that fails has an
// *EvaluationError in its own result and does not touch the others'. The error is not
// nil only where ctx ended before the policies did.
//
// Users' Policies are evaluated after the library's, each within its budget: see sandbox.MaxSteps.
func (p *Program) Evaluate(ctx context.Context, r *decision.Request, slots []int, part Part) ([]decision.Result, error) {
	results := make([]decision.Result, len(slots))
	kind := r.Kind.GroupKind()
	rounds, users := p.rounds(slots, kind)
	if len(rounds) == 0 && !users {
		return results, nil
	}
	input := newInput(r)
	if p.readsCredentials(slots, kind) {
		if found := credentialsInput(ctx, r); found != nil {
			input["credentials"] = found
		}
		if ctx.Err() != nil { // what was found is not all there is
			return nil, fmt.Errorf("looking for credentials: %w", context.Cause(ctx))
		}
	}
	if len(rounds) > 0 {
		e := &evaluation{unit: p.library, indexing: p.indexing, slots: p.slots, request: r, input: input, part: part, coverage: p.coverage}
		cancel := newCounter()
		e.cancel = cancel
		stop := context.AfterFunc(ctx, cancel.Cancel)
		defer stop()
		for _, round := range rounds {
			e.round(ctx, p.library.entries[kind].pick(part), slots, round, results)
			if ctx.Err() != nil {
				return nil, fmt.Errorf("evaluating policies: %w", context.Cause(ctx))
			}
		}
		if p.steps != nil {
			p.steps("", cancel.steps)
		}
	}
	if users {
		if err := p.evaluateUsers(ctx, r, input, slots, part, results); err != nil {
			return nil, fmt.Errorf("evaluating policies: %w", err)
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("evaluating policies: %w", context.Cause(ctx))
	}
	return results, nil
}

// readsCredentials reports whether one of the slots needs what the scanner finds: looking for it is most of
// the work for a large object.
func (p *Program) readsCredentials(slots []int, kind schema.GroupKind) bool {
	return slices.ContainsFunc(slots, func(slot int) bool {
		return p.slots[slot].policy.readsCredentials && p.about(slot, kind)
	})
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

// rounds splits the library's slots so that no policy stands twice in one: parameters are found
// by policy id, so each further set of parameters takes one more evaluation. users reports
// whether any of the slots is a user's Policy.
func (p *Program) rounds(slots []int, kind schema.GroupKind) (rounds [][]int, users bool) {
	for position, slot := range slots {
		if !p.about(slot, kind) {
			continue
		}
		if p.slots[slot].policy.User {
			users = true
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
	return rounds, users
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
	unit     *unit
	indexing bool
	slots    []slot
	request  *decision.Request
	input    map[string]any
	part     Part
	cancel   topdown.Cancel
	// meter is nil for the library.
	meter    *sandbox.Meter
	coverage *Coverage
}

func (e *evaluation) round(ctx context.Context, q *query, slots, round []int, results []decision.Result) {
	if q == nil {
		return
	}
	bound := make([]*slot, 0, len(round))
	for _, position := range round {
		bound = append(bound, &e.slots[slots[position]])
	}
	input := e.withBatch(bound)
	answer, err := e.run(ctx, q, input)
	for _, position := range round {
		slot := &e.slots[slots[position]]
		var own error // of this policy only; the next one may be fine
		if err == nil {
			if results[position], own = answer.of(slot, e.part, e.request); own == nil {
				continue
			}
		}
		if results[position], own = e.evaluateAlone(ctx, slot, input); own != nil {
			results[position] = failed(slot.policy, own)
		}
	}
}

func failed(policy *Policy, err error) decision.Result {
	return decision.Result{Err: &EvaluationError{Policy: policy.ID, Err: withoutValues(err)}}
}

// evaluateAlone finds out what one policy says, or what is wrong with it, after a
// query for several has failed: in OPA a conflict in one fails the whole query, and a
// failing built-in is silence.
func (e *evaluation) evaluateAlone(ctx context.Context, s *slot, input *ast.Term) (decision.Result, error) {
	answer, err := e.run(ctx, e.unit.alone[s.policy.ID].both, input)
	if err != nil {
		return decision.Result{}, err
	}
	return answer.alone(s, e.part, e.request)
}

// withBatch returns the input of one round, with each policy's parameters under its id: see
// batchParameters.
func (e *evaluation) withBatch(slots []*slot) *ast.Term {
	parameters := make([][2]*ast.Term, 0, len(slots))
	for _, slot := range slots {
		parameters = append(parameters, [2]*ast.Term{slot.id, slot.parameters})
	}
	return e.withParameters(ast.NewObject(parameters...))
}

// withParameters returns the input with these parameters. Evaluations follow one another, so they
// share all of it but the parameters.
func (e *evaluation) withParameters(parameters ast.Value) *ast.Term {
	e.input["parameters"] = parameters
	return ast.NewTerm(ast.LazyObject(e.input))
}

// answer is what a query bound.
type answer struct {
	deny, inject ast.Value
}

func (e *evaluation) run(ctx context.Context, q *query, input *ast.Term) (answer, error) {
	var a answer
	transaction, err := e.unit.store.NewTransaction(ctx, storage.TransactionParams{})
	if err != nil {
		return a, err
	}
	defer e.unit.store.Abort(ctx, transaction)
	var failures []topdown.Error
	found := false
	query := topdown.NewQuery(q.body)
	if e.meter != nil {
		query = query.WithQueryTracer(e.meter)
	}
	if e.coverage != nil {
		query = query.WithQueryTracer(e.coverage.cover)
	}
	err = query.
		WithCompiler(e.unit.compiler).
		WithQueryCompiler(q.compiler).
		WithStore(e.unit.store).
		WithTransaction(transaction).
		WithCancel(e.cancel).
		WithMetrics(metrics.NoOp()).
		WithIndexing(e.indexing).
		WithBuiltins(e.unit.builtins).
		WithInterQueryBuiltinValueCache(e.unit.values).
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
