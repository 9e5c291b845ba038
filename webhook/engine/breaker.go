package engine

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

const (
	// firstPause is how long a policy that exceeded its budget is left alone, and longestPause
	// the most that this becomes by doubling, each time that it does so again.
	firstPause   = 10 * time.Second
	longestPause = 10 * time.Minute
)

// AsideError says that a user's policy is left alone for a while, because it exceeded its
// budget. It wraps ErrTooSlow or ErrTooLarge.
type AsideError struct {
	// Until is when it will be tried again.
	Until time.Time
	Err   error
}

func (e *AsideError) Error() string {
	return fmt.Sprintf("is set aside until %s: it %v", e.Until.UTC().Format(time.TimeOnly), e.Err)
}

// Unwrap returns why.
func (e *AsideError) Unwrap() error { return e.Err }

// breaker remembers which users' policies exceeded their budget, so that each costs that
// once and not with every request. It knows a policy by its text, so it is of use to every
// Program that is compiled from the same texts.
type breaker struct {
	mu      sync.Mutex
	tripped map[string]*tripped
	// turns bounds how many evaluations of users' policies run at once. They need nothing
	// but a processor, so more would only take it from others.
	turns chan struct{}
	now   func() time.Time
}

type tripped struct {
	err   error
	until time.Time
	pause time.Duration
	// running counts evaluations that could not be stopped. Until they end, the policy is
	// not tried again.
	running int
}

func newBreaker() *breaker {
	return &breaker{tripped: map[string]*tripped{}, turns: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))), now: time.Now}
}

// state is nil where the policy may be evaluated. trial is true for the one evaluation
// that finds out whether a policy that was set aside has become better.
func (b *breaker) state(policy *Policy) (aside *AsideError, trial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tripped[policy.text]
	if t == nil {
		return nil, false
	}
	if now := b.now(); t.running > 0 || now.Before(t.until) {
		return &AsideError{Until: t.until, Err: t.err}, false
	}
	t.until = b.now().Add(t.pause) // for all others
	return nil, true
}

// trip sets a policy aside. Each trial that fails doubles the pause.
func (b *breaker) trip(policy *Policy, err error, trial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tripped[policy.text]
	switch {
	case t == nil:
		b.forget()
		t = &tripped{pause: firstPause}
		b.tripped[policy.text] = t
	case trial:
		t.pause = min(2*t.pause, longestPause)
	}
	t.err, t.until = err, b.now().Add(t.pause)
}

// suspicion is what a round found out about policies that together exceed the budget.
type suspicion struct {
	// err is not nil where they did, and running where they could not be stopped.
	err     error
	running <-chan struct{}
	// found is true where one of them does so alone.
	found   bool
	slowest *Policy
	took    time.Duration
}

// blame sets the slowest of policies aside that exceed the budget only together: or every
// request would pay for all of them.
func (b *breaker) blame(s *suspicion) {
	if s.err == nil || s.found || s.slowest == nil {
		return
	}
	b.trip(s.slowest, s.err, false)
	b.runsOn(s.slowest, s.running)
}

// forget drops what nobody has asked about for long: most texts are replaced by better ones.
func (b *breaker) forget() {
	for text, t := range b.tripped {
		if t.running == 0 && b.now().After(t.until.Add(longestPause)) {
			delete(b.tripped, text)
		}
	}
}

func (b *breaker) passed(policy *Policy) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.tripped[policy.text]; t != nil && t.running == 0 {
		delete(b.tripped, policy.text)
	}
}

// runsOn is for an evaluation of a policy that was set aside and could not be stopped; done
// is closed when it ends, and nil where there is none.
func (b *breaker) runsOn(policy *Policy, done <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tripped[policy.text]
	if t == nil || done == nil {
		return
	}
	t.running++
	go func() {
		<-done
		b.mu.Lock()
		defer b.mu.Unlock()
		t.running--
	}()
}
