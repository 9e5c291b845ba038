package engine

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// maxUnified is how many parts of values may be unified without an expression in between.
// OPA calls itself for each, so that this bounds the stack: some 50 MB.
const maxUnified = 50_000

// unifyTracer stops what OPA does not stop itself: the unification of two values, as of
// x = y where both are known, or the look for [x, y] in a set. It panics, because there is no
// other way out; guard recovers.
type unifyTracer struct {
	cancel  topdown.Cancel
	unified int
}

// Enabled is part of topdown.QueryTracer.
func (t *unifyTracer) Enabled() bool { return true }

// Config is part of topdown.QueryTracer.
func (t *unifyTracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent is part of topdown.QueryTracer.
func (t *unifyTracer) TraceEvent(event topdown.Event) {
	switch event.Op {
	case topdown.EvalOp:
		t.unified = 0
	case topdown.UnifyOp:
		if t.unified++; t.unified > maxUnified {
			limit := &LimitError{Builtin: "`=`", Reason: fmt.Sprintf("values of more than %d parts", maxUnified)}
			if event.Location != nil {
				limit.File, limit.Row = event.Location.File, event.Location.Row
			}
			panic(limit) //nolint:forbidigo // guard recovers; a stack that overflows ends the process
		}
		if t.cancel.Cancelled() {
			panic(&topdown.Error{Code: topdown.CancelErr}) //nolint:forbidigo // as above
		}
	}
}

var _ topdown.QueryTracer = (*unifyTracer)(nil)
