//go:build e2e

package e2e

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
)

const admissions = 10_000

// The resources of one replica: size, time to start, and memory, at rest and after many admissions. The figures
// are printed; the test only requires that memory does not keep growing.
func TestMeasure(t *testing.T) {
	install(t, "eks", "replicas=1", "failurePolicy=Ignore")
	namespace(t, shop)
	size, err := output(t.Context(), "docker", "image", "inspect", "--format={{.Size}}", world.image)
	must(t, err)
	bytes, err := strconv.ParseInt(size, 10, 64)
	must(t, err)
	world.table.measure("image: %.1f MB", mb(bytes))

	first := mustReplicas(t, 1)[0]
	kubectl(t, world.admin, "delete pod "+first.Name+" --namespace="+systemNamespace+" --wait=false")
	pod, started := startedAgain(t, &first)
	world.table.measure("start of a process until /readyz says so: %.2f s", started.Seconds())
	settled(t)
	enforced(t, shop)

	rest, _, err := residentMemory(t.Context(), &pod)
	must(t, err)
	before, err := asked(t.Context(), &pod)
	must(t, err)
	began := time.Now()
	admit(t, admissions/2)
	half, _, err := residentMemory(t.Context(), &pod)
	must(t, err)
	admit(t, admissions/2)
	took := time.Since(began)
	all, most, err := residentMemory(t.Context(), &pod)
	must(t, err)
	after, err := asked(t.Context(), &pod)
	must(t, err)
	world.table.measure("memory at rest: %.0f MB; after %d of %d writes: %.0f MB; after all: %.0f MB; at most: %.0f MB",
		mb(rest), admissions/2, admissions, mb(half), mb(all), mb(most))
	world.table.measure("%d writes, of which the replica was asked %.0f times, took %.0f s: %.0f a second, everything on this machine",
		admissions, after-before, took.Seconds(), admissions/took.Seconds())
	if after-before < admissions {
		t.Errorf("it was asked only %v times", after-before)
	}
	// Twice as many writes must not need twice the memory.
	if float64(all) > 1.5*float64(half) {
		t.Errorf("memory grows: %.0f MB, then %.0f MB", mb(half), mb(all))
	}
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

// startedAgain waits for another replica than the first, and for its process to be ready. It returns the time
// from the start of the process.
func startedAgain(t *testing.T, first *corev1.Pod) (corev1.Pod, time.Duration) {
	t.Helper()
	var next corev1.Pod
	eventually(t, "another replica", func(ctx context.Context) error {
		pods, err := replicas(ctx)
		if err != nil {
			return err
		}
		for i := range pods {
			if pods[i].UID != first.UID && pods[i].Spec.NodeName != "" {
				next = pods[i]
				return nil
			}
		}
		return errors.New("there is none")
	})
	eventually(t, "it to be ready", func(ctx context.Context) error {
		_, err := world.admin.client.CoreV1().Pods(systemNamespace).ProxyGet("http", next.Name, "8080", "readyz", nil).DoRaw(ctx)
		return err
	})
	seen := time.Now()
	since, err := age(t.Context(), &next)
	must(t, err)
	return next, since - time.Since(seen)
}

// admit writes as fast as requests are answered.
func admit(t *testing.T, n int64) {
	t.Helper()
	all := writes()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(t.Context())
	for range 2 * writers {
		group.Go(func() error {
			for i := next.Add(1); i <= n; i = next.Add(1) {
				w := all[int(i)%len(all)]
				if outcome, class := outcomeOf(w.violating, w.send(ctx, world.alice.client, shop)); outcome != answered {
					return errors.New(class)
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
}
