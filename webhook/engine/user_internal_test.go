package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"taffrail.dev/webhook/review"
)

func TestAnEvaluationThatGrowsIsStopped(t *testing.T) {
	stopped := false
	done := guard(t.Context(), time.Minute, func(cancel topdown.Cancel) ([]review.Result, error) {
		var kept [][]byte
		for !cancel.Cancelled() {
			kept = append(kept, make([]byte, 1<<20))
			if len(kept) > 2000 {
				return nil, errors.New("nobody stopped it")
			}
			time.Sleep(100 * time.Microsecond)
		}
		stopped = true
		runtime.KeepAlive(kept)
		return nil, errors.New("cancelled")
	})
	if !stopped || !errors.Is(done.err, ErrTooLarge) || !errors.Is(done.fault, ErrTooLarge) || done.running != nil {
		t.Errorf("got %+v", done)
	}
}

func TestAnEvaluationThatDoesNotStopIsLeft(t *testing.T) {
	let := make(chan struct{})
	done := guard(t.Context(), time.Millisecond, func(topdown.Cancel) ([]review.Result, error) {
		<-let
		return nil, nil
	})
	if !errors.Is(done.fault, ErrTooSlow) || done.running == nil {
		t.Errorf("got %+v", done)
	}
	policy, b := &Policy{text: "x"}, newBreaker()
	b.trip(policy, done.fault, false)
	b.runsOn(policy, done.running)
	b.now = func() time.Time { return time.Now().Add(time.Hour) }
	if aside, _ := b.state(policy); aside == nil {
		t.Error("it is tried again while it still runs")
	}
	close(let)
	<-done.running
	for b.isRunning(policy) {
		runtime.Gosched()
	}
	if aside, trial := b.state(policy); aside != nil || !trial {
		t.Error("it is not tried again")
	}
}

func (b *breaker) isRunning(policy *Policy) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tripped[policy.text].running > 0
}

func TestAPanicIsAnError(t *testing.T) {
	done := guard(t.Context(), time.Minute, func(topdown.Cancel) ([]review.Result, error) { panic("swordfish") })
	if !errors.Is(done.err, errPanic) || strings.Contains(done.err.Error(), "swordfish") || done.fault != nil {
		t.Errorf("got %+v", done)
	}
}

func TestAnEvaluationEndsWithItsRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := guard(ctx, time.Minute, func(stop topdown.Cancel) ([]review.Result, error) {
		cancel()
		for !stop.Cancelled() {
			runtime.Gosched()
		}
		return nil, errors.New("cancelled")
	})
	if !errors.Is(done.err, context.Canceled) || done.fault != nil {
		t.Errorf("got %+v", done)
	}
}

func TestPausesDoubleAndEnd(t *testing.T) {
	now := time.Unix(0, 0)
	policy, b := &Policy{text: "x"}, newBreaker()
	b.now = func() time.Time { return now }
	b.trip(policy, ErrTooSlow, false)
	b.trip(policy, ErrTooSlow, false) // another request that had begun before
	for _, pause := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
		now = now.Add(pause - time.Millisecond)
		if aside, _ := b.state(policy); aside == nil || !errors.Is(aside, ErrTooSlow) {
			t.Errorf("after %v: got %v", pause, aside)
		}
		now = now.Add(time.Millisecond)
		if aside, trial := b.state(policy); aside != nil || !trial {
			t.Errorf("after %v there is no trial: %v", pause, aside)
		}
		if aside, _ := b.state(policy); aside == nil {
			t.Error("there are two trials at once")
		}
		b.trip(policy, ErrTooSlow, true)
	}
	now = now.Add(time.Hour)
	if _, trial := b.state(policy); !trial {
		t.Error("there is no trial")
	}
	b.passed(policy)
	if aside, trial := b.state(policy); aside != nil || trial {
		t.Errorf("it is not forgotten: %v", aside)
	}
	for range 1000 {
		b.trip(&Policy{text: string(rune(rand.IntN(1 << 20)))}, ErrTooSlow, false)
		now = now.Add(time.Hour)
	}
	if len(b.tripped) > 2 {
		t.Errorf("%d texts are remembered", len(b.tripped))
	}
}

// Several policies that are slow only together cost a request its time once.
func TestTheSlowestIsSetAsideWhereNoneIsTooSlowAlone(t *testing.T) {
	quick, slow, b := &Policy{text: "quick"}, &Policy{text: "slow"}, newBreaker()
	b.blame(&suspicion{err: ErrTooSlow, slowest: slow, took: time.Second})
	if aside, _ := b.state(slow); aside == nil {
		t.Error("the slowest is not set aside")
	}
	b.blame(&suspicion{err: ErrTooSlow, slowest: quick, found: true})
	b.blame(&suspicion{slowest: quick})
	if aside, _ := b.state(quick); aside != nil {
		t.Error("another is")
	}
}

// What is bounded exists, is allowed, and is found under the name that it gets.
func TestBoundedBuiltinsAreAllowedOnes(t *testing.T) {
	allowed, builtins := allowedBuiltins(), boundedBuiltins()
	for name := range bounds() {
		if !allowed[name] || topdown.GetBuiltin(name) == nil {
			t.Errorf("%s is not allowed", name)
		}
		if ref := ast.MustParseRef(boundName(name)); builtins[ref.String()] == nil {
			t.Errorf("%s is not found as %s", name, ref)
		}
	}
	// The others make no more than is there: a new one that is allowed has to be looked at.
	unbounded := []string{
		"and", "array.reverse", "assign", "base64.is_valid", "contains", "count", "endswith", "eq", "glob.match", "indexof",
		"internal.print", "intersection", "is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "json.filter",
		"json.remove", "max", "min", "object.filter", "object.get", "object.keys", "object.remove", "or", "print",
		"regex.is_valid", "regex.match", "semver.is_valid", "set_diff", "sort", "startswith", "strings.any_prefix_match",
		"strings.any_suffix_match", "strings.count", "type_name", "union",
	}
	for name := range allowed {
		if _, bounded := bounds()[name]; !bounded {
			known := false
			for _, other := range unbounded {
				known = known || other == name
			}
			if !known {
				t.Errorf("%s is allowed, but neither bounded nor known to need no bound", name)
			}
		}
	}
}

// Measuring a value in which parts are shared takes no longer than it may.
func TestMeasuringEnds(t *testing.T) {
	shared := ast.NumberTerm("1")
	for range 100 {
		shared = ast.ArrayTerm(shared, shared)
	}
	if got := rendered(shared); got <= maxText || got > 2*maxText {
		t.Errorf("got %d", got)
	}
	if got := rendered(ast.MustParseTerm(`{"a": [1, "two", {"x": null}]}`)); got < 20 || got > 60 {
		t.Errorf("got %d", got)
	}
}
