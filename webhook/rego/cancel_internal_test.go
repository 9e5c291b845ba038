package rego

import "testing"

// The library's policies have no budget: their steps are only counted, and they stop when their request ends.
func TestTheLibraryIsCountedAndStops(t *testing.T) {
	c := newCounter()
	if c.Cancelled() || c.Cancelled() || c.steps != 2 {
		t.Errorf("%d steps are counted", c.steps)
	}
	if c.Cancel(); !c.Cancelled() {
		t.Error("it goes on after its end")
	}
}
