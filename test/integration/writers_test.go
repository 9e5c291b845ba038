package integration

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// drainDelay may be short because readiness is checked for each connection. It is long enough for every
// connection of the API server to carry a request in the meantime.
const drainDelay = 2 * time.Second

// load is a number of users who create Pods continuously.
type load struct {
	created atomic.Int64
	refused chan error
	stop    context.CancelFunc
	working sync.WaitGroup
}

// writers starts n of them. Their Pods are dry runs: both webhooks decide them, but none is stored.
func writers(t *testing.T, namespace string, n int) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{refused: make(chan error, 1), stop: stop}
	t.Cleanup(stop)
	for range n {
		l.working.Go(func() {
			for ctx.Err() == nil {
				pod := harness.ProbePod(namespace, "registry.example/app:1.0.0")
				err := cluster.Alice.Create(ctx, pod, client.DryRunAll).Err
				switch {
				case ctx.Err() != nil:
					return
				case err == nil && len(pod.Spec.Containers[0].Resources.Requests) == 0:
					err = fmt.Errorf("admitted without being filled")
				}
				if err == nil {
					l.created.Add(1)
					continue
				}
				select {
				case l.refused <- err:
				default: // one error is enough
				}
			}
		})
	}
	return l
}

// more waits until n more Pods were created.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	want := l.created.Load() + n
	eventually(t, "more objects", func(context.Context) error {
		if got := l.created.Load(); got < want {
			return fmt.Errorf("%d of %d", got, want)
		}
		return nil
	})
}

// end requires that no Pod was refused, and returns how many were created.
func (l *load) end(t *testing.T) int64 {
	t.Helper()
	l.stop()
	l.working.Wait()
	select {
	case err := <-l.refused:
		t.Errorf("an object was refused: %v", err)
	default:
	}
	return l.created.Load()
}
