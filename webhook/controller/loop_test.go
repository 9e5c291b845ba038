package controller

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// started runs a loop until the test ends. stop ends it earlier.
func started(t *testing.T, l *loop) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { l.run(ctx); close(ended) }()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// fired returns a channel that receives a value for each firing of a trigger from now on.
func fired(t *testing.T, by *trigger) <-chan struct{} {
	t.Helper()
	runs := make(chan struct{})
	started(t, newLoop(loopOptions{trigger: by, reconcile: func(ctx context.Context) (time.Duration, error) {
		select {
		case runs <- struct{}{}:
		case <-ctx.Done():
		}
		return 0, nil
	}}))
	<-runs // the run at start
	return runs
}

func TestALoopReconcilesWhenItStartsAndWhenItIsTriggered(t *testing.T) {
	runs, proceed := make(chan struct{}), make(chan struct{})
	trigger := newTrigger(0)
	l := newLoop(loopOptions{trigger: trigger, reconcile: func(ctx context.Context) (time.Duration, error) {
		select {
		case runs <- struct{}{}:
			<-proceed
		case <-ctx.Done():
		}
		return 0, nil
	}, failed: func(err error) { t.Error(err) }})
	trigger.fire() // nothing is lost although no loop runs yet: it reconciles at start
	for range 2 {  // the second time as a leader again
		stop := started(t, l)
		<-runs
		for range 100 {
			trigger.fire()
		}
		proceed <- struct{}{}
		<-runs // one run for all of them
		if left := trigger.queue.Len(); left > 0 {
			t.Errorf("%d reconciliations are left of 100 events", left)
		}
		proceed <- struct{}{}
		stop()
		if trigger.queue != nil {
			t.Error("a loop that has ended is still triggered")
		}
	}
}

// A replica that loses the Lease may lead again before the work of its previous term has ended. When that work
// ends, the new one must keep running.
func TestALoopOfAnEarlierTermDoesNotSilenceTheNextOne(t *testing.T) {
	runs, proceed := make(chan int), make(chan struct{})
	trigger := newTrigger(0)
	term := func(n int) *loop {
		return newLoop(loopOptions{trigger: trigger, reconcile: func(context.Context) (time.Duration, error) {
			runs <- n
			<-proceed
			return 0, nil
		}, failed: func(err error) { t.Error(err) }})
	}
	ctx, lose := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { term(1).run(ctx); close(ended) }()
	<-runs
	lose()
	again, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { term(2).run(again); close(done) }()
	<-runs
	proceed <- struct{}{}
	proceed <- struct{}{}
	<-ended
	trigger.fire()
	if n := <-runs; n != 2 {
		t.Errorf("term %d reconciles", n)
	}
	stop()
	proceed <- struct{}{}
	<-done
}

func TestALoopReconcilesAgainWhenTimeHasPassedAndAfterErrors(t *testing.T) {
	var runs, failures atomic.Int32
	third := make(chan struct{})
	l := newLoop(loopOptions{trigger: newTrigger(0), retry: time.Millisecond, reconcile: func(context.Context) (time.Duration, error) {
		switch runs.Add(1) {
		case 1:
			return 0, errors.New("broken")
		case 2:
			panic("secret")
		case 3:
			return time.Millisecond, nil
		}
		close(third)
		return 0, nil
	}, failed: func(err error) {
		failures.Add(1)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the log would hold part of an object: %v", err)
		}
	}})
	stop := started(t, l)
	<-third
	stop()
	if runs.Load() != 4 || failures.Load() != 2 {
		t.Errorf("%d runs, %d failures", runs.Load(), failures.Load())
	}
}

func TestAPanicNamesItsCause(t *testing.T) {
	l := newLoop(loopOptions{reconcile: func(context.Context) (time.Duration, error) {
		return time.Duration(len(strings.Fields("")[0])), nil
	}})
	_, err := l.attempt(t.Context())
	if panicked, ok := errors.AsType[*panicError](err); !ok || !strings.Contains(panicked.cause, "index out of range") || len(panicked.stack) == 0 {
		t.Errorf("got %v", err)
	}
}
