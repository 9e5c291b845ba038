package facts

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

// A call during a read gets the result of the next read, which it shares with all other calls during that time.
func TestReadsAreSharedAndNeverOlderThanWhoAsks(t *testing.T) {
	var s shared[int32]
	var began atomic.Int32
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	read := func(context.Context) (int32, error) {
		n := began.Add(1)
		arrived <- struct{}{}
		<-release
		return n, nil
	}
	var first, late sync.WaitGroup
	first.Go(func() {
		if n, err := s.do(t.Context(), "a", read); n != 1 || err != nil {
			t.Errorf("the first got %d, %v", n, err)
		}
	})
	<-arrived
	asked := make(chan struct{}, 5)
	for range 5 {
		late.Go(func() {
			asked <- struct{}{}
			if n, err := s.do(t.Context(), "a", read); n < 2 || err != nil {
				t.Errorf("one who asked later got %d, %v", n, err)
			}
		})
	}
	for range 5 {
		<-asked
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.do(gone, "a", read); err == nil {
		t.Error("who is gone got an answer")
	}
	close(release)
	first.Wait()
	late.Wait()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if r := s.keys["a"]; r != nil && r.next != nil {
		t.Error("a read is left that nobody waits for")
	}
}
