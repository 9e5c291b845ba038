package rego

import (
	"context"
	"errors"
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// userRun evaluates the users' Policies of one request.
type userRun struct {
	program *Program
	request *decision.Request
	input   map[string]any
	size    int
	// credentials is the scanner's output. It is kept apart from the input so that only Policies that read it
	// are charged for it.
	credentials     map[string]any
	credentialsSize int
	// steps is what the Policies have used so far.
	steps int64
}

// evaluateUsers adds the results of users' Policies. Each Policy is evaluated alone, deny and inject
// separately, under its own budget, so its cost and its success do not depend on which other Policies are
// bound.
//
// The error is not nil if ctx ended, or is about to, while the object was cheap to evaluate: see failedOrEnded.
func (p *Program) evaluateUsers(ctx context.Context, r *decision.Request, input map[string]any, instances, positions []int, part Part, results []decision.Result) error {
	ctx, cancel := sandbox.Deadline(ctx)
	defer cancel()
	u := &userRun{program: p, request: r}
	for _, position := range positions {
		s := &p.instances[instances[position]]
		if !s.policy.User {
			continue
		}
		if u.input == nil {
			u.convert(input)
		}
		var err error
		if results[position], err = u.evaluate(ctx, s, part); err == nil {
			continue
		}
		if results[position], err = failedOrEnded(ctx, s.policy, err, u.steps <= sandbox.LightSteps); err != nil {
			return err
		}
	}
	return nil
}

// convert prepares the input. It keeps the scanner's output apart, because including it for one Policy would
// change the cost of all others.
func (u *userRun) convert(input map[string]any) {
	found, scanned := input["credentials"]
	rest := maps.Clone(input)
	delete(rest, "credentials")
	u.input, u.size = strict(rest)
	if scanned {
		u.credentials, u.credentialsSize = strict(map[string]any{"credentials": found})
	}
}

// inputFor returns the input of a Policy and its size.
func (u *userRun) inputFor(policy *Policy) (input map[string]any, size int) {
	if !policy.readsCredentials || u.credentials == nil {
		return u.input, u.size
	}
	input = maps.Clone(u.input)
	maps.Copy(input, u.credentials)
	return input, u.size + u.credentialsSize
}

// strict converts an input to OPA's values, and returns its size. OPA would convert the input lazily, but then
// again for each Policy, and compares such values in full even with themselves.
func strict(input map[string]any) (converted map[string]any, size int) {
	converted = make(map[string]any, len(input))
	all := make([]*ast.Term, 0, len(input))
	for name, value := range input {
		if name == "parameters" {
			continue // keys of other parts
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
	steps, err := sandbox.Run(ctx, u.program.turns, e.unit.code, size, s.budget.Steps, func(m *sandbox.Meter) error {
		e.part, e.cancel, e.meter = part, m, m
		found, err := e.run(ctx, e.unit.alone[s.policy.ID].pick(part), e.withParameters(s.parameters.Value))
		if err != nil {
			return err
		}
		result, err = found.answer().read(s, part, u.request)
		return err
	})
	u.steps += steps
	if u.program.usage != nil {
		u.program.usage(s.policy.ID, Usage{Steps: steps})
	}
	if errors.Is(err, sandbox.ErrTooManySteps) {
		err = &compile.BudgetError{Resource: compile.Steps, Used: steps, Limit: s.budget.Steps}
	}
	return result, err
}
