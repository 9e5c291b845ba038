//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/admission"
)

const (
	// looksAtOnce exceeds the number of connections that the API server keeps to Taffrail, so that a burst of
	// this size opens new ones, which reach other replicas.
	looksAtOnce = 40
	// leastBursts applies when no replica is ready, so that none has to answer.
	leastBursts = 3
)

// agreed waits until look returns nil in one burst after another, and every ready replica is known to have
// answered one of them. Sequential requests might all reach a single replica. look sends at least one request
// to an entry at /validate.
func agreed(t *testing.T, what string, look func(context.Context) error) {
	t.Helper()
	inARow, met := 0, map[types.UID]bool{}
	eventually(t, what, func(ctx context.Context) error {
		answered, err := burst(ctx, look)
		if err != nil {
			inARow = 0
			clear(met)
			return err
		}
		inARow++
		for id := range answered {
			met[id] = met[id] || answered[id]
			if !met[id] {
				err = fmt.Errorf("after %d bursts not every replica has answered", inARow)
			}
		}
		if err == nil && inARow < leastBursts {
			err = fmt.Errorf("%d bursts in a row", inARow)
		}
		return err
	})
	t.Logf("%s: %d replicas agreed after %d bursts", what, len(met), inARow)
}

// burst calls look many times concurrently, and returns which ready replicas are known to have answered.
func burst(ctx context.Context, look func(context.Context) error) (map[types.UID]bool, error) {
	// A single call is enough to see that it fails.
	if err := look(ctx); err != nil {
		return nil, err
	}
	before, err := validated(ctx)
	if err != nil {
		return nil, err
	}
	group, looking := errgroup.WithContext(ctx)
	for range looksAtOnce {
		group.Go(func() error { return look(looking) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	after, err := validated(ctx)
	if err != nil {
		return nil, err
	}
	var all float64
	for id := range before {
		if _, there := after[id]; !there {
			return nil, errors.New("a replica has gone meanwhile, with its count")
		}
	}
	for id := range after {
		all += after[id] - before[id]
	}
	// Requests beyond the calls of look come from others, such as a load. If a replica's count rose by more
	// than those, it must have answered a call of look.
	others := all - looksAtOnce
	answered := map[types.UID]bool{}
	for id := range after {
		_, there := before[id]
		answered[id] = there && after[id]-before[id] > max(others, 0)
	}
	return answered, nil
}

// validated returns how many requests each replica has answered at /validate. It fails if a replica starts or
// stops meanwhile, because its counts cannot be compared.
func validated(ctx context.Context) (map[types.UID]float64, error) {
	pods, err := replicas(ctx)
	if err != nil {
		return nil, err
	}
	counts := map[types.UID]float64{}
	for i := range pods {
		if !ready(&pods[i]) {
			return nil, fmt.Errorf("Pod %s is not ready", pods[i].Name)
		}
		if counts[pods[i].UID], err = askedAt(ctx, &pods[i], admission.ValidatePath); err != nil {
			return nil, err
		}
	}
	return counts, nil
}
