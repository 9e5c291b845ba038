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
	// looksAtOnce is more than the connections that the API server keeps to Taffrail: it has
	// to make new ones for a burst of so many, and so meets other replicas.
	looksAtOnce = 40
	// leastBursts is for when there is nobody to ask: with no replica, none has to be met.
	leastBursts = 3
)

// agreed waits until look returns nil, burst after burst, and every ready replica is known to
// have answered one of them: by one look after the other a single replica may be all that
// is asked. A look is one request that an entry at /validate is asked about, or more.
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

// burst looks many times at once, and tells of each ready replica whether it was it that
// answered one of the looks.
func burst(ctx context.Context, look func(context.Context) error) (map[types.UID]bool, error) {
	// As long as it is not so, once is enough to see that.
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
	// What is beyond the looks is somebody else's, such as a load's. Were all of that one
	// replica's and it has still risen by more, then it had a look as well.
	others := all - looksAtOnce
	answered := map[types.UID]bool{}
	for id := range after {
		_, there := before[id]
		answered[id] = there && after[id]-before[id] > max(others, 0)
	}
	return answered, nil
}

// validated is how many requests each replica has answered at /validate. One that
// comes or goes is an error: what it answers could not be told from what nobody has.
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
