package controller

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// once is the only item in a loop's queue, because a loop reconciles only one thing.
type once struct{}

// trigger makes a loop reconcile. It exists before its loop, so that loops can trigger one another. It is safe
// for concurrent use.
type trigger struct {
	// delay is how long further events are collected before the loop reconciles.
	delay time.Duration

	mutex sync.Mutex
	queue workqueue.TypedDelayingInterface[once] // nil while the loop is not running
}

func newTrigger(delay time.Duration) *trigger { return &trigger{delay: delay} }

// fire schedules a reconciliation and never blocks. Any number of calls before the reconciliation begins cause
// only one. If the loop is not running, nothing is lost, because a loop reconciles when it starts.
func (t *trigger) fire() {
	t.mutex.Lock()
	queue := t.queue
	t.mutex.Unlock()
	if queue != nil {
		queue.AddAfter(once{}, t.delay)
	}
}

func (t *trigger) attach(queue workqueue.TypedDelayingInterface[once]) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.queue = queue
}

// detach does nothing if another queue has been attached since: a replica may lead again before the work of its
// previous term has ended.
func (t *trigger) detach(queue workqueue.TypedDelayingInterface[once]) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.queue == queue {
		t.queue = nil
	}
}
