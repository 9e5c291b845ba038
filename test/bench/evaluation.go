package main

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

// step is one of several ways to do something.
type step struct {
	name string
	run  func() error
}

// evaluationTables compare the evaluation of all policies alone, of a request that is already read: by
// OPA's interpreter, compiled, and as checks that are written by hand in Go.
func evaluationTables(ctx context.Context, o options) error {
	all, err := samples(o)
	if err != nil {
		return err
	}
	decider, err := deciderWith(ctx, 0)
	if err != nil {
		return err
	}
	rows := [][]string{{"object", "topdown", "compiled", "native Go", "compiled ÷ topdown", "compiled ÷ native", "reading", "deciding"}}
	for i := range all {
		s := &all[i]
		steps, err := evaluationSteps(ctx, decider, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		costs, err := inTurns(o.rounds, s.requests(o.requests), steps)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		rows = append(rows, []string{
			s.Name, short(costs[0]), short(costs[1]), short(costs[2]), ratio(costs[1], costs[0]), ratio(costs[1], costs[2]), short(costs[3]), short(costs[4]),
		})
	}
	title := fmt.Sprintf("Evaluation, CPU per request: %d policies, and from the third last column on what a request costs in one process without HTTP", len(decider.Snapshot().Catalog().Policies()))
	return table(title, rows)
}

func evaluationSteps(ctx context.Context, decider *pipeline.Decider, s *sample) ([]step, error) {
	origin := decision.OriginValidating
	part := rego.Both
	if s.mutate {
		origin, part = decision.OriginMutating, rego.Inject
	}
	read, err := request.Review(s.review, origin)
	if err != nil {
		return nil, err
	}
	r := *read
	if r.Namespace, err = (noFacts{}).Namespace(ctx, r.Namespace.Name); err != nil {
		return nil, err
	}
	instances := instancesOf(decider.Snapshot(), &r)
	pipeline.Enrich(&r)
	evaluate := func(engine rego.Engine) func() error {
		program := decider.Snapshot().Program().WithEngine(engine)
		return func() error {
			results, err := program.Evaluate(ctx, &r, instances, part)
			for i := range results {
				if results[i].Err != nil {
					return results[i].Err
				}
			}
			return err
		}
	}
	return []step{
		{"topdown", evaluate(rego.EngineTopdown)},
		{"compiled", evaluate(rego.EngineCompiled)},
		{"native", func() error { native(&r); return nil }},
		{"reading", func() error { _, err := request.Review(s.review, origin); return err }},
		{"deciding", func() error { _, err := decider.Decide(ctx, read); return err }},
	}, nil
}

// instancesOf returns the policies that apply to a request, each once.
func instancesOf(snapshot *config.Snapshot, r *decision.Request) (instances []int) {
	for _, binding := range snapshot.Guardrails().Resolve(r, 0) {
		if !slices.Contains(instances, binding.Instance) {
			instances = append(instances, binding.Instance)
		}
	}
	return instances
}

// inTurns runs steps n times in each of some rounds, one step after the other, and returns the CPU time
// that one run of each takes. A first round warms up.
func inTurns(rounds, n int, steps []step) ([]time.Duration, error) {
	total := make([]time.Duration, len(steps))
	for round := range rounds + 1 {
		for i, step := range steps {
			before, err := processCPU()
			if err != nil {
				return nil, err
			}
			for range n {
				if err := step.run(); err != nil {
					return nil, fmt.Errorf("%s: %w", step.name, err)
				}
			}
			after, err := processCPU()
			if err != nil {
				return nil, err
			}
			if round > 0 {
				total[i] += after - before
			}
		}
	}
	for i := range total {
		total[i] /= time.Duration(rounds * n)
	}
	return total, nil
}

// processCPU returns the CPU time that this process has used.
func processCPU() (time.Duration, error) {
	var usage syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return cpuOf(&usage), err
}

func cpuOf(usage *syscall.Rusage) time.Duration {
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
