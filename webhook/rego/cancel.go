package rego

import (
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// counter counts the expressions that the library's policies evaluate. The library has no budget: counter stops
// an evaluation only when its request ends.
type counter struct {
	steps   int
	stopped atomic.Bool
}

func newCounter() *counter { return &counter{} }

// Cancel implements topdown.Cancel.
func (c *counter) Cancel() { c.stopped.Store(true) }

// Cancelled implements topdown.Cancel.
func (c *counter) Cancelled() bool {
	c.steps++
	return c.stopped.Load()
}

var _ topdown.Cancel = (*counter)(nil)
