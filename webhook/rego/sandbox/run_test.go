package sandbox

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Only expensive evaluations wait for a turn.
func TestAnExpensiveEvaluationTakesATurn(t *testing.T) {
	const light = LightSteps / StepsPerExpression
	turns := make(Turns, 1)
	_, err := Run(t.Context(), turns, &Code{}, 0, LightSteps+StepsPerExpression, func(m *Meter) error {
		m.charge(light)
		before := len(turns)
		m.charge(1)
		if after := len(turns); before != 0 || after != 1 {
			t.Errorf("%d turns taken, then %d", before, after)
		}
		return nil
	})
	if err != nil || len(turns) != 0 {
		t.Errorf("%d turns taken after the evaluation, %v", len(turns), err)
	}
	// Waiting for a turn stops when the request ends.
	turns <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Run(ctx, turns, &Code{}, 0, LightSteps+StepsPerExpression, func(m *Meter) error {
		m.charge(light + 1)
		return nil
	})
	if err != nil || len(turns) != 1 {
		t.Errorf("%d turns taken, %v", len(turns), err)
	}
}

func TestABudgetIsUsedUp(t *testing.T) {
	for used, want := range map[int]error{25: nil, 26: ErrTooManySteps} {
		steps, err := Run(t.Context(), NewTurns(), &Code{}, 0, 100, func(m *Meter) error {
			m.charge(used)
			return nil
		})
		if !errors.Is(err, want) || err != nil && want == nil || steps != int64(used)*StepsPerExpression {
			t.Errorf("%d: %d steps, %v", used, steps, err)
		}
	}
}

// A panic in OPA ends the evaluation of one Policy, and its message, which may quote the object, is dropped.
func TestAPanicIsAnErrorWithoutItsText(t *testing.T) {
	_, err := Run(t.Context(), NewTurns(), &Code{}, 0, enough, func(*Meter) error {
		panic("swordfish") // as OPA might
	})
	if err == nil || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("got %v", err)
	}
}

// The end of a request stops an evaluation between two expressions.
func TestAnEvaluationStopsWithItsRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, NewTurns(), &Code{}, 0, enough, func(m *Meter) error {
		if m.Cancelled() {
			t.Error("stopped before the end")
		}
		cancel()
		for !m.Cancelled() && m.steps < enough {
			time.Sleep(time.Millisecond)
		}
		if !m.stopped.Load() {
			t.Error("not stopped")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Part of the time of a request is reserved for its answer.
func TestTheDeadlineLeavesTimeForTheAnswer(t *testing.T) {
	request, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	ctx, stop := Deadline(request)
	defer stop()
	at, _ := ctx.Deadline()
	if end, _ := request.Deadline(); end.Sub(at) < 10*time.Minute {
		t.Errorf("%v are left", end.Sub(at))
	}
}

// Measuring a value is work too.
func TestMeasuringIsCharged(t *testing.T) {
	parts := make([]*ast.Term, 16_000)
	for i := range parts {
		parts[i] = ast.InternedTerm(1)
	}
	m := newMeter(enough, &Code{})
	if m.sizeOf(ast.ArrayTerm(parts...)); m.steps != 1_000 {
		t.Errorf("%d steps", m.steps)
	}
}
