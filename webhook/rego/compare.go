package rego

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego/compile"
	"taffrail.dev/webhook/rego/sandbox"
)

// Comparison is the outcome of evaluating one policy with both engines.
type Comparison struct {
	Policy string
	// Same is false if one engine has found something that the other has not, or only one has failed.
	Same bool
}

// Compare evaluates again what Evaluate has returned results for, with the other engine, and returns a Comparison for
// each policy that both can evaluate. It leaves out a policy that one of them has stopped for what it used: they count
// differently. Compare takes no turn from Evaluate. It returns an error only if ctx ended.
func (p *Program) Compare(ctx context.Context, r *decision.Request, instances []int, part Part, results []decision.Result) ([]Comparison, error) {
	other := p.WithEngine(p.engine.other()).WithUsage(nil)
	other.turns, other.libraryTurns = make(sandbox.Turns, 1), make(sandbox.Turns, 1)
	var compared, positions []int
	for position, index := range instances {
		s := &p.instances[index]
		if _, err := s.compiled(); err == nil && p.about(index, r.Kind.GroupKind()) && !stopped(results[position].Err) {
			compared, positions = append(compared, index), append(positions, position)
		}
	}
	again, err := other.Evaluate(ctx, r, compared, part)
	if err != nil {
		return nil, err
	}
	var comparisons []Comparison
	for i, position := range positions {
		if stopped(again[i].Err) {
			continue
		}
		comparisons = append(comparisons, Comparison{
			Policy: p.instances[compared[i]].policy.ID, Same: sameResult(&results[position], &again[i]),
		})
	}
	return comparisons, nil
}

// other returns the engine to compare with.
func (e Engine) other() Engine {
	if e == EngineCompiled {
		return EngineTopdown
	}
	return EngineCompiled
}

// stopped reports whether an evaluation ended because of what it used.
func stopped(err error) bool {
	return slices.ContainsFunc([]error{compile.ErrBudget, sandbox.ErrTooLarge, sandbox.ErrNoTime}, func(limit error) bool { return errors.Is(err, limit) })
}

func sameResult(a, b *decision.Result) bool {
	if a.Err != nil || b.Err != nil {
		return a.Err != nil && b.Err != nil
	}
	return sameElements(a.Violations, b.Violations) && sameElements(a.Intents, b.Intents)
}

func sameElements[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}
