package admission

import (
	"time"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// Observer is notified of every request: the log, the metrics and the counts are observers.
// Observe is called by many goroutines at once, and delays the answer for as long as it runs.
type Observer interface {
	Observe(*Observation)
}

// Observation is what became of one request. The fields that a failed request
// did not reach have their zero value.
type Observation struct {
	// Path is one of MutatePath, ValidatePath, RelaxPath, ConfigPath and ExemptPath.
	Path string
	// SnapshotID and Snapshot are the configuration that was in force.
	SnapshotID string
	Snapshot   *config.Snapshot
	// Request is nil if the body could not be parsed.
	Request *decision.Request
	// Decision is nil if no policy was asked, as at ConfigPath and ExemptPath.
	Decision *decision.Decision
	// Verdict means nothing if Err is set.
	Verdict decision.Verdict
	// Duration is the time from the last byte of the body to the answer.
	Duration time.Duration
	// Err is why the request was answered with an HTTP error, which Reason classifies.
	Err    error
	Reason Reason

	began   time.Time // when the body was complete and a slot was free
	failure *failure
}

// observe notifies every observer once.
func (e *endpoint) observe(o *Observation) {
	if !o.began.IsZero() {
		o.Duration = time.Since(o.began)
	}
	for _, observer := range e.observers {
		observer.Observe(o)
	}
}
