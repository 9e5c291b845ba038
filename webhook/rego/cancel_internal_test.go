package rego

import "testing"

// The library's policies have no budget: their steps are only counted, and they stop when their request ends.
func TestTheLibraryIsCountedAndStops(t *testing.T) {
	c := &counter{}
	for want := 1; want <= 2; want++ {
		if c.Cancelled() || c.steps != want {
			t.Errorf("%d steps are counted, want %d", c.steps, want)
		}
	}
	if c.Cancel(); !c.Cancelled() {
		t.Error("it goes on after its end")
	}
}
