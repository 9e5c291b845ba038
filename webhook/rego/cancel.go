package rego

import (
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// counter counts the expressions that topdown evaluates of the library's policies, and stops the evaluation when its
// request ends. It has no limit of its own: unlike the compiled engine, which has libraryBudget, topdown evaluates
// all policies of the library together.
type counter struct {
	steps   int
	stopped atomic.Bool
}

// Cancel implements topdown.Cancel.
func (c *counter) Cancel() { c.stopped.Store(true) }

// Cancelled implements topdown.Cancel.
func (c *counter) Cancelled() bool {
	c.steps++
	return c.stopped.Load()
}

var _ topdown.Cancel = (*counter)(nil)
