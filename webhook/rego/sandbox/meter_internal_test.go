package sandbox

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// event returns what OPA reports when it evaluates an expression.
func event(op topdown.Op, expr string) topdown.Event {
	body := ast.MustParseBodyWithOpts(expr, ast.ParserOptions{RegoVersion: ast.RegoV1})
	return topdown.Event{Op: op, Node: body[0], QueryID: 7, Location: &ast.Location{File: "p.rego", Row: 3}}
}

// stopped returns the error with which a meter stops an evaluation, or nil if it does not.
func stopped(m *Meter, e topdown.Event) (cause any) {
	defer func() { cause = recover() }()
	m.TraceEvent(e)
	return nil
}

// Work that OPA does without calling the meter is charged when OPA reports it.
func TestWhatOPADoesIsCharged(t *testing.T) {
	u := &Code{literal: 3 * perLiteral, last: map[*ast.Expr]bool{}}
	charged := func(e topdown.Event, change func(*Meter)) int {
		m := newMeter(enough, u)
		change(m)
		if cause := stopped(m, e); cause != nil {
			t.Errorf("stopped by %v", cause)
		}
		return m.steps
	}
	same := func(*Meter) {}
	large := func(m *Meter) { m.input = 8 * perStep * 5 }
	last := event(topdown.RedoOp, "x == 1")
	u.last[last.Node.(*ast.Expr)] = true
	after := func(n int) func(*Meter) { return func(m *Meter) { m.results[7] = n } }
	for name, c := range map[string]struct {
		event  topdown.Event
		change func(*Meter)
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
		"an event that costs nothing":    {event(topdown.FailOp, "x = 1"), same, 0},
		"no expression, but an equality": {topdown.Event{Op: topdown.UnifyOp}, same, 4},
	} {
		if got := charged(c.event, c.change); got != c.want {
			t.Errorf("%s: got %d steps, want %d", name, got, c.want)
		}
	}
	for value, want := range map[string]int{`["` + textOf(ofBytes(3*perWeight-4)) + `"]`: 4 + 3, `["a"]`: 4, `"` + textOf(ofBytes(9*perWeight)) + `"`: 4, `{"a": "` + textOf(ofBytes(perWeight)) + `"}`: 4 + 1, `7`: 4} {
		m := newMeter(enough, u)
		m.weigh(is(value).Value)
		if m.weight != want {
			t.Errorf("%.20s: a step costs %d, want %d", value, m.weight, want)
		}
	}
	m := newMeter(enough, u)
	m.weigh(is(`["` + textOf(ofBytes(3*perWeight)) + `"]`).Value)
	if m.weigh(is(`["a"]`).Value); m.weight != 7 {
		t.Errorf("the largest value is forgotten: a step costs %d", m.weight)
	}
}

// OPA does not call Cancelled while it unifies two values, so an exhausted budget stops the unification itself.
func TestUnificationsAreStopped(t *testing.T) {
	unify := event(topdown.UnifyOp, "x = 1")
	m := newMeter(1, &Code{})
	if cause := stopped(m, unify); cause != nil {
		t.Errorf("within its budget: %v", cause)
	}
	if cause, ok := stopped(m, unify).(*topdown.Error); !ok || cause.Code != topdown.CancelErr {
		t.Errorf("beyond its budget: %v", cause)
	}
	if !m.Enabled() || m.Config() != (topdown.TraceConfig{}) {
		t.Error("OPA would report no events, or more than are needed")
	}
}

// A meter counts without overflowing.
func TestAMeterCounts(t *testing.T) {
	for _, c := range [][3]int{{0, 0, 0}, {2, 3, 6}, {0, 1 << 40, 0}, {1 << 16, 1 << 15, 1 << 31}, {1 << 16, 1<<15 + 1, 1 << 31}, {1 << 31, 2, 1 << 31}} {
		if got := times(c[0], c[1]); got != c[2] {
			t.Errorf("%d times %d: got %d", c[0], c[1], got)
		}
	}
	u := &Code{literal: 640, last: map[*ast.Expr]bool{}}
	m := newMeter(100, u)
	for range 9 {
		if m.Cancelled() {
			t.Errorf("stopped after %d steps", m.steps)
		}
	}
	if m.steps != 99 || !m.Cancelled() || m.steps != 110 {
		t.Errorf("got %d steps", m.steps)
	}
	m = newMeter(100, &Code{})
	if m.Cancel(); !m.Cancelled() || m.steps > m.limit {
		t.Error("it is not stopped where its request has ended")
	}
	for value, want := range map[string]int{
		`"abc"`: 5, `12`: 4, `null`: 7, `true`: 7, `[]`: 2, `["a", 1]`: 2 + 3 + 3, `{"a"}`: 2 + 3, `{"a": 1}`: 2 + 3 + 3, `[["a"], {"b": [1]}]`: 2 + 5 + 2 + 3 + 5,
	} {
		if got := m.sizeOf(is(value)); got != want {
			t.Errorf("%s: a size of %d, want %d", value, got, want)
		}
	}
	turns := make(Turns, 1)
	entered := 0
	m = newMeter(enough, &Code{})
	m.enter = func() { entered++ }
	m.charge(LightSteps / StepsPerExpression)
	if entered != 0 {
		t.Error("a light evaluation has waited")
	}
	m.charge(1)
	m.charge(1)
	if entered != 1 {
		t.Errorf("it has waited %d times", entered)
	}
	leave := turns.Wait(t.Context())
	if len(turns) != 1 {
		t.Error("nobody has a turn")
	}
	leave()
	if len(turns) != 0 {
		t.Error("the turn is not given back")
	}
}
