package controller

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// once is the only item of a loop's queue: a loop has one thing to reconcile.
type once struct{}

// trigger asks a loop to reconcile. It is made before the loop, so that loops can trigger one
// another. It is safe for concurrent use.
type trigger struct {
	// delay is how long further events are gathered before the loop reconciles.
	delay time.Duration

	mutex sync.Mutex
	queue workqueue.TypedDelayingInterface[once] // nil while the loop does not run
}

func newTrigger(delay time.Duration) *trigger { return &trigger{delay: delay} }

// fire never blocks. The loop reconciles once for any number of calls that come before it does. A
// loop that does not run reconciles when it starts, so it misses nothing.
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

// detach does nothing if another queue was attached since: a replica may lead again before the
// work of its previous term has ended.
func (t *trigger) detach(queue workqueue.TypedDelayingInterface[once]) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.queue == queue {
		t.queue = nil
	}
}
