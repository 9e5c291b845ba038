package rego

import (
	"context"
	"errors"
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/sandbox"
)

// userRun evaluates users' Policies for one request.
type userRun struct {
	program *Program
	request *decision.Request
	input   map[string]any
	size    int
	// credentials is what the scanner finds, apart: only what reads it is charged for it.
	credentials     map[string]any
	credentialsSize int
	budget          *sandbox.Budget
}

// evaluateUsers fills in the results of users' Policies. Each is evaluated alone, its deny and
// its inject rules apart, under a budget of its own: what it costs and whether it fails does
// not depend on which other Policies are bound.
//
// The error is not nil when ctx ended, or is about to, although the object is an ordinary one. One
// that is expensive gets a result instead: its writer must not get past the Policy by
// overstraining it.
func (p *Program) evaluateUsers(ctx context.Context, r *decision.Request, input map[string]any, instances []int, part Part, results []decision.Result) error {
	ctx, cancel := sandbox.Deadline(ctx)
	defer cancel()
	u := &userRun{program: p, request: r, budget: sandbox.NewBudget(p.turns)}
	kind := r.Kind.GroupKind()
	for position, index := range instances {
		s := &p.instances[index]
		if !s.policy.User || !p.about(index, kind) {
			continue
		}
		if u.input == nil {
			u.convert(input)
		}
		var err error
		if results[position], err = u.evaluate(ctx, s, part); err == nil {
			continue
		}
		if ctx.Err() != nil && !errors.Is(err, sandbox.ErrTooManySteps) {
			if u.budget.Light() {
				return context.Cause(ctx)
			}
			err = sandbox.ErrNoTime
		}
		results[position] = failed(s.policy, err)
	}
	return nil
}

// convert prepares the input. What the scanner finds is kept apart, because it is in the input only if some
// policy reads it: what a Policy costs must not depend on the others.
func (u *userRun) convert(input map[string]any) {
	found, scanned := input["credentials"]
	rest := maps.Clone(input)
	delete(rest, "credentials")
	u.input, u.size = strict(rest)
	if scanned {
		u.credentials, u.credentialsSize = strict(map[string]any{"credentials": found})
	}
}

// inputFor is what a Policy sees, and its size.
func (u *userRun) inputFor(policy *Policy) (input map[string]any, size int) {
	if !policy.readsCredentials || u.credentials == nil {
		return u.input, u.size
	}
	input = maps.Clone(u.input)
	maps.Copy(input, u.credentials)
	return input, u.size + u.credentialsSize
}

// strict converts an input for OPA at once, and returns its size. What OPA converts lazily it
// converts for each Policy anew, and compares whole even with itself.
func strict(input map[string]any) (converted map[string]any, size int) {
	converted = make(map[string]any, len(input))
	all := make([]*ast.Term, 0, len(input))
	for name, value := range input {
		if name == "parameters" {
			continue // of others
		}
		term := ast.NewTerm(ast.MustInterfaceToValue(value))
		converted[name] = term.Value
		all = append(all, term)
	}
	return converted, sandbox.SizeOf(all...)
}

func (u *userRun) evaluate(ctx context.Context, s *instance, part Part) (decision.Result, error) {
	unit, err := s.policy.own.compile()
	if err != nil {
		return decision.Result{}, err
	}
	input, size := u.inputFor(s.policy)
	e := &evaluation{
		unit: unit, indexing: u.program.indexing, instances: u.program.instances,
		request: u.request, input: input, coverage: u.program.coverage,
	}
	var result decision.Result
	if s.policy.Validates && part != Inject {
		found, err := u.within(ctx, e, s, Deny, size)
		if err != nil {
			return decision.Result{}, err
		}
		result.Violations = found.Violations
	}
	if s.policy.Mutates && part != Deny {
		found, err := u.within(ctx, e, s, Inject, size)
		if err != nil {
			return decision.Result{}, err
		}
		result.Intents = found.Intents
	}
	return result, nil
}

// within evaluates one part of a Policy within its budget.
func (u *userRun) within(ctx context.Context, e *evaluation, s *instance, part Part, size int) (result decision.Result, err error) {
	steps, err := u.budget.Run(ctx, e.unit.code, size, func(m *sandbox.Meter) error {
		e.part, e.cancel, e.meter = part, m, m
		answer, err := e.run(ctx, e.unit.alone[s.policy.ID].pick(part), e.withParameters(s.parameters.Value))
		if err != nil {
			return err
		}
		result, err = answer.alone(s, part, u.request)
		return err
	})
	if u.program.steps != nil {
		u.program.steps(s.policy.ID, steps)
	}
	return result, err
}
