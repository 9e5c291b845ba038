package rego

import (
	"context"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// evaluateTopdown fills in the results at the positions, with OPA's interpreter.
func (p *Program) evaluateTopdown(ctx context.Context, r *decision.Request, instances, positions []int, part Part, results []decision.Result) error {
	kind := r.Kind.GroupKind()
	rounds, users := p.rounds(instances, positions)
	input := newInput(r)
	if p.readsCredentials(instances, positions) {
		if found := credentialsInput(ctx, r); found != nil {
			input["credentials"] = found
		}
		if ctx.Err() != nil { // the findings are incomplete
			return fmt.Errorf("looking for credentials: %w", context.Cause(ctx))
		}
	}
	if len(rounds) > 0 {
		library, err := p.library()
		if err != nil {
			return err
		}
		e := &evaluation{unit: library, indexing: p.indexing, instances: p.instances, request: r, input: input, part: part, coverage: p.coverage}
		cancel := newCounter()
		e.cancel = cancel
		stop := context.AfterFunc(ctx, cancel.Cancel)
		defer stop()
		for _, round := range rounds {
			e.round(ctx, library.entries[kind].pick(part), instances, round, results)
			if ctx.Err() != nil {
				return fmt.Errorf("evaluating policies: %w", context.Cause(ctx))
			}
		}
		if p.usage != nil {
			p.usage("", compile.Usage{Steps: int64(cancel.steps)})
		}
	}
	if users {
		if err := p.evaluateUsers(ctx, r, input, instances, positions, part, results); err != nil {
			return fmt.Errorf("evaluating policies: %w", err)
		}
	}
	return nil
}

// readsCredentials reports whether one of the instances needs the credential scanner, which takes most of the time
// for a large object.
func (p *Program) readsCredentials(instances, positions []int) bool {
	return slices.ContainsFunc(positions, func(position int) bool {
		return p.instances[instances[position]].policy.readsCredentials
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

// rounds divides the library's instances so that no round has a policy twice. Parameters are looked up by policy
// id, so each further set of parameters of a policy needs a round of its own. users reports whether any of the
// instances is a user's Policy.
func (p *Program) rounds(instances, positions []int) (rounds [][]int, users bool) {
	for _, position := range positions {
		instance := instances[position]
		if p.instances[instance].policy.User {
			users = true
			continue
		}
		placed := false
		for i := range rounds {
			if !p.contains(instances, rounds[i], p.instances[instance].policy) {
				rounds[i] = append(rounds[i], position)
				placed = true
				break
			}
		}
		if !placed {
			rounds = append(rounds, append(make([]int, 0, len(instances)), position))
		}
	}
	return rounds, users
}

func (p *Program) contains(instances, round []int, policy *Policy) bool {
	for _, position := range round {
		if p.instances[instances[position]].policy == policy {
			return true
		}
	}
	return false
}

// evaluation is the state that the rounds of one request share.
type evaluation struct {
	unit      *unit
	indexing  bool
	instances []instance
	request   *decision.Request
	input     map[string]any
	part      Part
	cancel    topdown.Cancel
	// meter is nil for the library.
	meter    *sandbox.Meter
	coverage *Coverage
}

func (e *evaluation) round(ctx context.Context, q *query, instances, round []int, results []decision.Result) {
	if q == nil {
		return
	}
	bound := make([]*instance, 0, len(round))
	for _, position := range round {
		bound = append(bound, &e.instances[instances[position]])
	}
	input := e.withBatch(bound)
	answer, err := e.run(ctx, q, input)
	for _, position := range round {
		instance := &e.instances[instances[position]]
		var own error // of this policy only; the others may still succeed
		if err == nil {
			if results[position], own = answer.of(instance, e.part, e.request); own == nil {
				continue
			}
		}
		if results[position], own = e.evaluateAlone(ctx, instance, input); own != nil {
			results[position] = failed(instance.policy, own)
		}
	}
}

func failed(policy *Policy, err error) decision.Result {
	return decision.Result{Err: &EvaluationError{Policy: policy.ID, Err: withoutValues(err)}}
}

// evaluateAlone evaluates a single policy after a query for several has failed. OPA fails the whole query if
// one policy has a conflict, and hides failing built-ins, so only this identifies the culprit.
func (e *evaluation) evaluateAlone(ctx context.Context, s *instance, input *ast.Term) (decision.Result, error) {
	answer, err := e.run(ctx, e.unit.alone[s.policy.ID].both, input)
	if err != nil {
		return decision.Result{}, err
	}
	return answer.alone(s, e.part, e.request)
}

// withBatch returns the input of one round, which holds each policy's parameters under its id: see
// batchParameters.
func (e *evaluation) withBatch(instances []*instance) *ast.Term {
	parameters := make([][2]*ast.Term, 0, len(instances))
	for _, instance := range instances {
		parameters = append(parameters, [2]*ast.Term{instance.id, instance.parameters})
	}
	return e.withParameters(ast.NewObject(parameters...))
}

// withParameters returns the input with the given parameters. The input is reused, which is safe because
// evaluations run one after another.
func (e *evaluation) withParameters(parameters ast.Value) *ast.Term {
	e.input["parameters"] = parameters
	return ast.NewTerm(ast.LazyObject(e.input))
}

// answer holds the variables that a query bound.
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
