package rego

import (
	"context"
	"slices"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// libraryBudget stops a policy of the library that no longer does what it was tested for. No object and no parameters
// that are allowed come near it.
var libraryBudget = Budget{Steps: 50_000_000, Bytes: 512 << 20}

// turnSteps is what an evaluation of a user's Policy may use, and turnBytes what it may make, before it takes a turn.
// Most end before, so that nobody waits behind those that are expensive. Topdown counts otherwise: see
// sandbox.LightSteps.
const (
	turnSteps = 200_000
	turnBytes = 4 << 20
)

// lightLibrary is the same for a policy of the library, which has turns of its own. Only objects that are about as large
// as the API server takes need more.
var lightLibrary = Budget{Steps: 1_000_000, Bytes: 32 << 20}

// compiledRun evaluates compiled policies for one request. Each is evaluated alone, its deny and its inject rules
// apart: nothing that it does, or that it costs, depends on which others are bound.
type compiledRun struct {
	program *Program
	request *decision.Request
	input   *requestDocument
	machine *compile.Machine
	part    Part
	// ctx and turns are those of the evaluation. It calls wait, which is made once, if it is expensive; then leave gives
	// its turn back.
	ctx         context.Context
	turns       sandbox.Turns
	wait, leave func()
	// steps is what users' Policies have used so far.
	steps int64
}

// compiledOf returns the compiled policy of an instance, nil if it is evaluated by topdown.
func (p *Program) compiledOf(s *instance) *compiledPolicy {
	if p.engine != EngineCompiled {
		return nil
	}
	c, err := s.compiled()
	if err != nil {
		return nil
	}
	return c
}

// evaluateCompiled fills in the results of the instances that are compiled, and returns the positions of the others
// that are about the kind of the request.
func (p *Program) evaluateCompiled(ctx context.Context, r *decision.Request, instances []int, part Part, results []decision.Result) (rest []int, err error) {
	run := &compiledRun{program: p, request: r, part: part}
	defer run.end()
	ofUsers, cancel := p.contextOfUsers(ctx, instances)
	defer cancel()
	kind := r.Kind.GroupKind()
	for position, index := range instances {
		if !p.about(index, kind) {
			continue
		}
		s := &p.instances[index]
		c := p.compiledOf(s)
		if c == nil {
			rest = append(rest, position)
			continue
		}
		run.begin(ctx)
		within := ctx
		if s.policy.User {
			within = ofUsers
		}
		if results[position], err = run.evaluate(within, s, c); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// contextOfUsers returns the context of users' Policies. It ends before that of the request, so that the failure of a
// Policy is still an answer.
func (p *Program) contextOfUsers(ctx context.Context, instances []int) (context.Context, context.CancelFunc) {
	if slices.ContainsFunc(instances, func(index int) bool { return p.instances[index].policy.User }) {
		return sandbox.Deadline(ctx)
	}
	return ctx, func() {}
}

// begin prepares the input. ctx must be that of the request: a scan for credentials that ends with the time of users'
// Policies, which is shorter, would be incomplete without an error.
func (run *compiledRun) begin(ctx context.Context) {
	if run.machine == nil {
		run.machine = run.program.machines.Get()
		run.input = newRequestDocument(ctx, run.request)
	}
}

func (run *compiledRun) end() {
	if run.machine != nil {
		run.program.machines.Put(run.machine)
	}
}

// evaluate returns the result of one policy. The error is not nil if the request has ended.
func (run *compiledRun) evaluate(ctx context.Context, s *instance, c *compiledPolicy) (decision.Result, error) {
	run.input.parameters = c.parameters
	var found answer
	var err error
	if s.policy.Validates && run.part != Inject {
		found.deny, err = run.elements(ctx, s, c, s.policy.denyRule())
	}
	if err == nil && s.policy.Mutates && run.part != Deny {
		found.inject, err = run.elements(ctx, s, c, s.policy.injectRule())
	}
	if err == nil {
		var result decision.Result
		if result, err = found.read(s, run.part, run.request); err == nil {
			return result, nil
		}
	}
	return failedOrEnded(ctx, s.policy, err, !s.policy.User || run.steps < turnSteps)
}

// elements returns those of the set that a rule returns, nil if it returns none.
func (run *compiledRun) elements(ctx context.Context, s *instance, c *compiledPolicy, rule string) (elements, error) {
	budget, light, turns := libraryBudget, lightLibrary, run.program.libraryTurns
	if s.policy.User {
		budget, light, turns = s.budget, Budget{Steps: turnSteps, Bytes: turnBytes}, run.program.turns
	}
	run.takeTurn(ctx, light, turns)
	defer run.leaveTurn()
	found, err := run.read(ctx, c, rule, budget)
	used := run.machine.Used()
	if s.policy.User {
		run.steps += used.Steps
	}
	if run.program.usage != nil {
		run.program.usage(s.policy.ID, used)
	}
	return found, err
}

func (run *compiledRun) read(ctx context.Context, c *compiledPolicy, rule string, budget Budget) (elements, error) {
	value, err := run.machine.Evaluate(ctx, c.program, rule, run.input, budget)
	if err != nil {
		return nil, err
	}
	all, isSet, err := run.machine.Elements(value)
	if err != nil || !isSet {
		return nil, err // an untyped nil, which is no result: see answer
	}
	return compiledElements(all), nil
}

// takeTurn makes an evaluation wait for a turn once it turns out to be expensive, which limits how many of these run
// at once, and so the memory that they hold. leaveTurn gives the turn back.
func (run *compiledRun) takeTurn(ctx context.Context, light Budget, turns sandbox.Turns) {
	run.ctx, run.turns = ctx, turns
	if run.wait == nil {
		run.wait = func() { run.leave = run.turns.Wait(run.ctx) }
	}
	run.machine.OnceHeavy(light, run.wait)
}

func (run *compiledRun) leaveTurn() {
	run.machine.OnceHeavy(Budget{}, nil)
	if run.leave != nil {
		run.leave()
		run.leave = nil
	}
}
