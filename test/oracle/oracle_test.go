// Package oracle compares what webhook/resources predicts with what Kubernetes' own code
// does: API defaulting, the LimitRanger plugin, the registry's defaults and validation.
// And it compares how schedules are read.
//
//	go test -oracle.pairs=1000000            # more pairs, from a new seed
//	go test -oracle.seed=42                  # the pairs of a seed
package oracle

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"taffrail.dev/test/podgen"
)

var (
	pairs = flag.Int("oracle.pairs", 100_000, "how many pairs to compare")
	seed  = flag.Uint64("oracle.seed", 0, "the seed of the pairs; 0 makes one from the clock")
)

// TestCases replays the pairs for which a prediction once differed from Kubernetes.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var p podgen.Pair
			if err := yaml.UnmarshalStrict(content, &p); err != nil {
				t.Fatal(err)
			}
			if _, err := compare(p); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPairs compares random pairs. Each has a generator of its own, so that a seed yields the same pairs on any
// number of processors.
func TestPairs(t *testing.T) {
	chooseSeed()
	// Nearly all garbage belongs to a single pair and the heap is small, so collecting less often saves a third
	// of the time.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	began := time.Now()
	var next atomic.Int64
	var all tally
	failed := -1 // the first failing pair, so that another run reports the same
	var mutex sync.Mutex
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var own tally
			for i := int(next.Add(1)) - 1; i < *pairs; i = int(next.Add(1)) - 1 {
				count, err := compare(nth(i))
				own.add(count)
				if err != nil {
					next.Store(int64(*pairs))
					mutex.Lock()
					if failed < 0 || i < failed {
						failed = i
					}
					mutex.Unlock()
				}
			}
			mutex.Lock()
			defer mutex.Unlock()
			all.add(own)
		})
	}
	workers.Wait()
	fmt.Printf("oracle: seed %d, %s: %s\n", *seed, time.Since(began).Round(time.Millisecond), &all)
	if failed >= 0 {
		small, err := shrink(nth(failed))
		t.Fatalf("pair %d of seed %d, made as small as fails: %v\n\nKeep it as a file in testdata:\n%s", failed, *seed, err, asYAML(small))
	}
	if all.pairs != *pairs {
		t.Fatalf("%d pairs compared, want %d", all.pairs, *pairs)
	}
	if *pairs >= 1000 {
		for what, n := range map[string]int{
			"admitted": all.admitted, "invalid": all.invalid, "refused": all.refused, "decided by the order": all.dependent,
			"filled in": all.fills, "reported": all.unfilled, "refused claims": all.claimsRefused,
		} {
			if n == 0 {
				t.Errorf("none %s: the pairs say little", what)
			}
		}
	}
}

func chooseSeed() {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
}

func nth(i int) podgen.Pair { return podgen.NewPair(rand.New(rand.NewPCG(*seed, uint64(i)))) }

func asYAML(p podgen.Pair) string {
	text, err := yaml.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
