package ordered

import (
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
)

func count(to int, taken *atomic.Int64) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range to {
			taken.Add(1)
			if !yield(i) {
				return
			}
		}
	}
}

func TestMapKeepsTheOrder(t *testing.T) {
	var taken atomic.Int64
	got := slices.Collect(Map(count(1000, &taken), func(i int) int {
		if i%7 == 0 {
			runtime.Gosched() // the later ones finish first
		}
		return 2 * i
	}))
	if len(got) != 1000 || !slices.IsSorted(got) || got[999] != 1998 {
		t.Errorf("got %d elements: %v", len(got), got)
	}
}

// A stream may be larger than memory, so it is read no further ahead than necessary.
func TestMapReadsNoFurtherThanAhead(t *testing.T) {
	var taken atomic.Int64
	for range Map(count(1_000_000, &taken), func(i int) int { return i }) {
		break
	}
	read := taken.Load()
	if most := int64(runtime.GOMAXPROCS(0)*lookahead + 4); read > most {
		t.Errorf("%d elements were taken for one, at most %d may be", read, most)
	}
	if runtime.Gosched(); taken.Load() != read {
		t.Error("elements are taken after the last one that is wanted")
	}
}
