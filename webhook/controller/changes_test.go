package controller

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/rego"
)

// Thousands of changes leave nothing behind: old snapshots are collected, and the number of metrics does not
// grow.
func TestChangesLeaveNothingBehind(t *testing.T) {
	library, err := rego.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	g := newGuardrail("changing", 1)
	g.Spec.Policies = []v1alpha1.PolicyBinding{{Name: "image-tag"}, {Name: "require-probes"}}
	c := store(t, new(atomic.Int32), g)
	registry := prometheus.NewRegistry()
	builder := config.NewBuilder(library)
	var made, collected atomic.Int32
	compiling := newTestCompiler(c, func(o *compilerOptions) {
		o.metrics = metrics.NewConfiguration(registry)
		o.builder = buildFunc(func(ctx context.Context, objects config.Objects) (*config.Snapshot, []config.Problem, error) {
			s, problems, err := builder.Build(ctx, objects)
			if err != nil {
				return nil, nil, err
			}
			made.Add(1)
			runtime.AddCleanup(s, func(n *atomic.Int32) { n.Add(1) }, &collected)
			return s, problems, nil
		})
	})
	const changes = 2000
	var before uint64
	for i := range changes {
		g.Spec.ExcludeNamespaces = []string{fmt.Sprintf("team-%d", i)}
		if i%100 == 0 { // other policies from time to time, to compile a new program
			g.Spec.Policies[1].Name = []string{"require-probes", "require-prestop"}[i/100%2]
		}
		if err := c.Update(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if err := compiling.compile(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i == changes/4 {
			before = heap()
		}
	}
	after := heap()
	if got := made.Load(); got != changes {
		t.Fatalf("%d snapshots were made", got)
	}
	// The last snapshot is in force, and another may be in progress.
	eventually(t, "old snapshots to be collected", func() bool {
		runtime.GC()
		return collected.Load() >= changes-2
	})
	if after > before+before/2 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "taffrail_snapshot") && len(family.GetMetric()) != 1 {
			t.Errorf("%s has %d series", family.GetName(), len(family.GetMetric()))
		}
	}
}

// heap returns the heap in use after garbage collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
