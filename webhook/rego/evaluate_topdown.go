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
		cancel := &counter{}
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
			p.usage("", Usage{Steps: int64(cancel.steps)})
		}
	}
	if users {
		return p.evaluateUsers(ctx, r, input, instances, positions, part, results)
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
	batch := make([]*instance, 0, len(round))
	for _, position := range round {
		batch = append(batch, &e.instances[instances[position]])
	}
	input := e.withBatch(batch)
	found, err := e.run(ctx, q, input)
	for _, position := range round {
		instance := &e.instances[instances[position]]
		var own error // of this policy only; the others may still succeed
		if err == nil {
			if results[position], own = found.of(instance, e.part, e.request); own == nil {
				continue
			}
		}
		if results[position], own = e.evaluateAlone(ctx, instance, input); own != nil {
			results[position] = failed(instance.policy, own)
		}
	}
}

// evaluateAlone evaluates a single policy after a query for several has failed. OPA fails the whole query if
// one policy has a conflict, and hides failing built-ins, so only this identifies the culprit.
func (e *evaluation) evaluateAlone(ctx context.Context, s *instance, input *ast.Term) (decision.Result, error) {
	found, err := e.run(ctx, e.unit.alone[s.policy.ID].both, input)
	if err != nil {
		return decision.Result{}, err
	}
	return found.answer().read(s, e.part, e.request)
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
	if e.meter == nil {
		return ast.NewTerm(ast.LazyObject(e.input))
	}
	// OPA does not copy a lazy object before `with` replaces a part of it. Other Policies would read what is replaced, and
	// a part that is replaced by one that it is in would contain itself.
	members := make([][2]*ast.Term, 0, len(e.input))
	for name, value := range e.input {
		members = append(members, [2]*ast.Term{ast.InternedTerm(name), ast.NewTerm(value.(ast.Value))})
	}
	return ast.NewTerm(ast.NewObject(members...))
}

// variables has what a query has bound: the values of the rules of one policy, or of several by their ids.
type variables struct {
	deny, inject ast.Value
}

// of returns the result of one policy of several.
func (v variables) of(s *instance, part Part, r *decision.Request) (decision.Result, error) {
	return variables{deny: member(v.deny, s.id), inject: member(v.inject, s.id)}.answer().read(s, part, r)
}

func member(object ast.Value, name *ast.Term) ast.Value {
	members, ok := object.(ast.Object)
	if !ok {
		return nil
	}
	term := members.Get(name)
	if term == nil {
		return nil
	}
	return term.Value
}

func (v variables) answer() answer {
	return answer{deny: elementsOf(v.deny), inject: elementsOf(v.inject)}
}

func (e *evaluation) run(ctx context.Context, q *query, input *ast.Term) (variables, error) {
	var v variables
	transaction, err := e.unit.store.NewTransaction(ctx, storage.TransactionParams{})
	if err != nil {
		return v, err
	}
	defer e.unit.store.Abort(ctx, transaction)
	var failures []topdown.Error
	answered := false
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
		Iter(ctx, func(found topdown.QueryResult) error {
			answered = true
			if term := found["deny"]; term != nil {
				v.deny = term.Value
			}
			if term := found["inject"]; term != nil {
				v.inject = term.Value
			}
			return nil
		})
	switch {
	case err != nil:
		return v, err
	case len(failures) > 0:
		return v, &failures[0]
	case !answered:
		return v, errNoResult
	}
	return v, nil
}
