package admission

import (
	"testing"
	"time"
)

// The time that a body waits for memory does not count as slowness. Eviction ends the wait, and of two waiting
// bodies the larger one stays.
func TestABodyThatWaitsIsTreatedAsSuch(t *testing.T) {
	b := newBodyBudget(0, 100)
	in, _ := arriving(b)
	other, otherDeadline := arriving(b)
	long := time.Now().Add(-time.Hour)
	interrupted := 0
	other.progressed = long
	if !in.mayEvictForLarge(other, 0) {
		t.Error("one that has stopped stays")
	}
	if other.progressed = time.Now().Add(time.Hour); in.mayEvictForLarge(other, time.Hour) {
		t.Error("one that makes progress goes")
	}
	other.setWaiting(func() { interrupted++ })
	other.progressed = long
	for name, c := range map[string]struct {
		held, others int64
		waited       time.Duration
		later        bool
		want         bool
	}{
		"a smaller one":            {2, 1, time.Hour, false, true},
		"a larger one":             {1, 2, time.Hour, false, false},
		"a smaller one, too early": {2, 1, evictionGrace, false, false},
		"one as large, and later":  {1, 1, time.Hour, false, true},
		"one as large, but sooner": {1, 1, time.Hour, true, false},
	} {
		asks, asked := in, other
		if c.later {
			asks, asked = other, in
			in.setWaiting(func() {})
		}
		asks.held, asked.held = c.held, c.others
		if got := asks.mayEvictForLarge(asked, c.waited); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	other.setWaiting(nil)
	if time.Since(other.progressed) > time.Hour/2 {
		t.Error("the time that it has waited is its sender's")
	}
	other.setWaiting(func() { interrupted++ })
	b.mutex.Lock()
	other.evict()
	b.mutex.Unlock()
	if interrupted != 1 || !other.isEvicted() || !otherDeadline.passed() {
		t.Errorf("interrupted %d times", interrupted)
	}
	if other.setWaiting(nil); !otherDeadline.passed() {
		t.Error("an evicted body is read again")
	}
}
