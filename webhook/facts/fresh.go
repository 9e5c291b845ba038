package facts

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/decision"
)

// freshTimeout limits a read that several requests share.
const freshTimeout = 3 * time.Second

// Fresh reads facts about namespaces from the API server. The result is never older than the
// call. Calls for the same facts share a read: those that arrive while one is running all wait
// for the next, so a burst of Pods in a namespace causes at most two reads at a time. It is safe
// for concurrent use.
type Fresh struct {
	facts      *Facts
	namespaces shared[decision.Namespace]
	lists      shared[decision.Facts]
}

// NewFresh returns a Fresh. live must send every read to the API server.
func NewFresh(live client.Reader) *Fresh {
	return &Fresh{facts: New(live, live, Options{})}
}

// Namespace returns the labels of a namespace.
func (f *Fresh) Namespace(ctx context.Context, name string) (decision.Namespace, error) {
	if name == "" {
		return decision.Namespace{Known: true}, nil
	}
	return f.namespaces.do(ctx, name, func(ctx context.Context) (decision.Namespace, error) { return f.facts.Namespace(ctx, name) })
}

// Facts returns the wanted facts about a namespace. The objects are shared and must not be
// modified.
func (f *Fresh) Facts(ctx context.Context, namespace string, wanted []decision.Fact) (decision.Facts, error) {
	all := decision.Facts{Fresh: true}
	if namespace == "" {
		return all, nil
	}
	parts := make([]decision.Facts, len(wanted))
	group, ctx := errgroup.WithContext(ctx)
	for i, fact := range wanted {
		group.Go(func() (err error) {
			parts[i], err = f.lists.do(ctx, string(fact)+" "+namespace, func(ctx context.Context) (decision.Facts, error) {
				var part decision.Facts
				err := f.facts.add(ctx, &part, fact, f.facts.live, namespace)
				return part, err
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return decision.Facts{}, &NamespaceError{Name: namespace, Err: err}
	}
	for i, fact := range wanted {
		all.Replace(fact, &parts[i])
	}
	return all, nil
}

// shared shares reads between callers. A caller gets the result of a read that started after its
// call. Per key, one read is running and at most one more is pending.
type shared[T any] struct {
	mutex sync.Mutex
	keys  map[string]*reads[T]
}

type reads[T any] struct {
	running, next *reading[T]
}

type reading[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// do returns the error of ctx if it ends first. The read continues for the other callers.
func (s *shared[T]) do(ctx context.Context, key string, read func(context.Context) (T, error)) (T, error) {
	s.mutex.Lock()
	if s.keys == nil {
		s.keys = map[string]*reads[T]{}
	}
	r := s.keys[key]
	if r == nil {
		r = &reads[T]{}
		s.keys[key] = r
	}
	mine := r.next
	if mine == nil {
		mine = &reading[T]{done: make(chan struct{})}
		r.next = mine
	}
	if r.running == nil {
		s.begin(context.WithoutCancel(ctx), key, r, read)
	}
	s.mutex.Unlock()
	select {
	case <-mine.done:
		return mine.value, mine.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// begin starts the pending read. The caller holds the mutex.
func (s *shared[T]) begin(ctx context.Context, key string, r *reads[T], read func(context.Context) (T, error)) {
	now := r.next
	r.running, r.next = now, nil
	go func() {
		reading, cancel := context.WithTimeout(ctx, freshTimeout)
		defer cancel()
		now.value, now.err = read(reading)
		close(now.done)
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if r.running = nil; r.next == nil {
			delete(s.keys, key)
			return
		}
		s.begin(ctx, key, r, read)
	}()
}
