package rego

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"taffrail.dev/webhook/decision"
)

// Part selects which rules of the policies to evaluate.
type Part int

const (
	// Both selects deny and inject.
	Both Part = iota
	// Deny selects violations only.
	Deny
	// Inject selects intents only.
	Inject
)

func (p *Program) about(instance int, kind schema.GroupKind) bool {
	return slices.Contains(p.instances[instance].policy.Kinds, kind)
}

// Evaluate returns one result per instance, in order. If a policy fails, its own result carries an *EvaluationError
// and the other results are unaffected. Evaluate returns an error only if ctx ended before all policies were
// evaluated.
//
// Each user's Policy is evaluated within a budget: see Instance.
func (p *Program) Evaluate(ctx context.Context, r *decision.Request, instances []int, part Part) ([]decision.Result, error) {
	results := make([]decision.Result, len(instances))
	rest, err := p.evaluateCompiled(ctx, r, instances, part, results)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		if err := p.evaluateTopdown(ctx, r, instances, rest, part, results); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("evaluating policies: %w", context.Cause(ctx))
	}
	return results, nil
}
