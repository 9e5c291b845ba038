package admission

import (
	"time"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// Observer is notified of every request; the log, the metrics and the counts are observers. Observe is called
// concurrently, and delays the answer while it runs.
type Observer interface {
	Observe(*Observation)
}

// Observation describes the outcome of one request. If a request failed, the fields that it did not reach are
// zero.
type Observation struct {
	// Path is one of MutatePath, ValidatePath, RelaxPath, ConfigPath and ExemptPath.
	Path string
	// SnapshotID and Snapshot identify the configuration that was in force.
	SnapshotID string
	Snapshot   *config.Snapshot
	// Request is nil if the body could not be parsed.
	Request *decision.Request
	// Decision is nil if no policy was evaluated, as at ConfigPath and ExemptPath.
	Decision *decision.Decision
	// Verdict is not meaningful if Err is set.
	Verdict decision.Verdict
	// Duration is the time from the last byte of the body to the answer.
	Duration time.Duration
	// Err is why the request was answered with an HTTP error. Reason classifies it.
	Err    error
	Reason Reason

	began   time.Time // when the body was complete and a slot was free
	failure *failure
}

// observe notifies every observer, once.
func (e *endpoint) observe(o *Observation) {
	if !o.began.IsZero() {
		o.Duration = time.Since(o.began)
	}
	for _, observer := range e.observers {
		observer.Observe(o)
	}
}
