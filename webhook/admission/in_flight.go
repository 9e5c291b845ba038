package admission

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// slotWait is how long a complete request waits for a slot before the API server is made to retry. Slots become
// free many times a second, and waiting requests keep their order.
const slotWait = time.Second

// slots limits how many requests are decided concurrently.
type slots struct {
	taken   chan struct{}
	waiting atomic.Int32
}

func newSlots(n int) *slots { return &slots{taken: make(chan struct{}, n)} }

// take waits for a slot, in the order of arrival. As many requests may wait as are decided concurrently. An
// error is a *failure.
func (s *slots) take(ctx context.Context) (release func(), err error) {
	release = func() { <-s.taken }
	select {
	case s.taken <- struct{}{}:
		return release, nil
	default:
	}
	defer s.waiting.Add(-1)
	if int(s.waiting.Add(1)) > cap(s.taken) {
		return nil, s.shed()
	}
	waited := time.NewTimer(slotWait)
	defer waited.Stop()
	select {
	case s.taken <- struct{}{}:
		return release, nil
	case <-waited.C:
		return nil, s.shed()
	case <-ctx.Done():
		return nil, failureOf(ctx, ctx.Err())
	}
}

func (s *slots) shed() error {
	text := fmt.Sprintf("more than %d concurrent requests", cap(s.taken))
	return &failure{status: http.StatusTooManyRequests, reason: reasonShed, retry: true, text: text}
}
