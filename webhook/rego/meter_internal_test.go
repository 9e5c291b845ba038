package rego

import (
	"errors"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// event is what OPA tells while it evaluates an expression.
func event(op topdown.Op, expr string) topdown.Event {
	body := ast.MustParseBodyWithOpts(expr, ast.ParserOptions{RegoVersion: ast.RegoV1})
	return topdown.Event{Op: op, Node: body[0], QueryID: 7, Location: &ast.Location{File: "p.rego", Row: 3}}
}

// stopped returns what a meter stops an evaluation with, nil if it lets it go on.
func stopped(m *meter, e topdown.Event) (cause any) {
	defer func() { cause = recover() }()
	m.TraceEvent(e)
	return nil
}

// What OPA does without asking is charged for as it tells of it.
func TestWhatOPADoesIsCharged(t *testing.T) {
	u := &unit{literal: 3 * perLiteral, last: map[*ast.Expr]bool{}}
	charged := func(e topdown.Event, change func(*meter)) int {
		m := newMeter(MaxSteps, u)
		change(m)
		if cause := stopped(m, e); cause != nil {
			t.Errorf("stopped by %v", cause)
		}
		return m.steps
	}
	same := func(*meter) {}
	large := func(m *meter) { m.input = 8 * perStep * 5 }
	last := event(topdown.RedoOp, "x == 1")
	u.last[last.Node.(*ast.Expr)] = true
	after := func(n int) func(*meter) { return func(m *meter) { m.results[7] = n } }
	for name, c := range map[string]struct {
		event  topdown.Event
		change func(*meter)
		want   int
	}{
		"an expression":                  {event(topdown.EvalOp, "x == 1"), large, 0},
		"a with":                         {event(topdown.EvalOp, "x with input.a as 1"), same, 1},
		"two withs, of a large input":    {event(topdown.EvalOp, "x with input.a as 1 with input.b as 2"), large, 12},
		"another result":                 {event(topdown.RedoOp, "x == 1"), after(1 << 20), 0},
		"a result of a rule":             {last, same, 0},
		"the last that is free":          {last, after(freeResults - 1), 0},
		"one more":                       {last, after(freeResults), (freeResults + 1) / perResult},
		"many more":                      {last, after(100*perResult - 1), 100},
		"two values":                     {event(topdown.UnifyOp, "x = 1"), same, 4},
		"a long text":                    {event(topdown.UnifyOp, `x = "`+textOf(ofBytes(8192))+`"`), same, 4 + 2},
		"a list, which is heavy later":   {event(topdown.UnifyOp, "x = [1, 2]"), same, 4},
		"a set, which is compared":       {event(topdown.UnifyOp, `{"`+textOf(ofBytes(317))+`"} = x`), same, 4 + (2+319)/perStep},
		"what is not told of":            {event(topdown.FailOp, "x = 1"), same, 0},
		"no expression, but an equality": {topdown.Event{Op: topdown.UnifyOp}, same, 4},
	} {
		if got := charged(c.event, c.change); got != c.want {
			t.Errorf("%s: got %d steps, want %d", name, got, c.want)
		}
	}
	m := newMeter(MaxSteps, u)
	for value, want := range map[string]int{`["` + textOf(ofBytes(3*perWeight-4)) + `"]`: 4 + 3, `["a"]`: 4, `"` + textOf(ofBytes(9*perWeight)) + `"`: 4, `{"a": "` + textOf(ofBytes(perWeight)) + `"}`: 4 + 1, `7`: 4} {
		m = newMeter(MaxSteps, u)
		m.weigh(is(value).Value)
		if m.weight != want {
			t.Errorf("%.20s: a step costs %d, want %d", value, m.weight, want)
		}
	}
	m = newMeter(MaxSteps, u)
	m.weigh(is(`["` + textOf(ofBytes(3*perWeight)) + `"]`).Value)
	if m.weigh(is(`["a"]`).Value); m.weight != 7 {
		t.Errorf("the largest value is forgotten: a step costs %d", m.weight)
	}
}

// A unification that goes too deep, or on and on, is stopped where it is: nobody is asked meanwhile.
func TestUnificationsAreStopped(t *testing.T) {
	unify := event(topdown.UnifyOp, "x = 1")
	m := newMeter(MaxSteps, &unit{})
	for range maxUnified {
		if cause := stopped(m, unify); cause != nil {
			t.Fatal(cause)
		}
	}
	limit, ok := stopped(m, unify).(*LimitError)
	if !ok || limit.Builtin != "`=`" || limit.Reason != "values of more than 50000 parts" || limit.File != "p.rego" || limit.Row != 3 || !errors.Is(limit, ErrTooLarge) {
		t.Errorf("got %+v", limit)
	}
	if limit.Error() != "`=` at p.rego:3 takes or makes values of more than 50000 parts" {
		t.Errorf("got %v", limit)
	}
	unify.Location = nil
	if limit, ok := stopped(m, unify).(*LimitError); !ok || limit.File != "" {
		t.Errorf("got %+v", limit)
	}
	m.TraceEvent(event(topdown.EvalOp, "x == 1"))
	if cause := stopped(m, unify); cause != nil {
		t.Errorf("after another expression: %v", cause)
	}
	m = newMeter(1, &unit{})
	if cause := stopped(m, unify); cause != nil {
		t.Errorf("within its budget: %v", cause)
	}
	if cause, ok := stopped(m, unify).(*topdown.Error); !ok || cause.Code != topdown.CancelErr {
		t.Errorf("beyond its budget: %v", cause)
	}
	if !m.Enabled() || m.Config() != (topdown.TraceConfig{}) {
		t.Error("OPA would tell of nothing, or of more")
	}
	c := newCounter()
	if c.Cancelled() || c.Cancelled() || c.steps != 2 {
		t.Errorf("%d steps are counted", c.steps)
	}
	if c.Cancel(); !c.Cancelled() {
		t.Error("it goes on after its end")
	}
}
