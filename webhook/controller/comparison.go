package controller

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/pipeline"
)

const (
	// maxWaiting limits how many evaluations wait to be compared, and maxWaitingBytes the size of their objects
	// together, including the one that is being compared.
	maxWaiting      = 64
	maxWaitingBytes = 8 << 20
	// maxComparison limits how long a comparison takes.
	maxComparison = 10 * time.Second
)

var errEnginesDiffer = errors.New("the engines return different results")

// comparisonOptions are what a comparison is made from.
type comparisonOptions struct {
	// share is how many evaluations are compared, between 0 and 1.
	share float64
	// random returns a number between 0 and 1, for each evaluation.
	random  func() float64
	metrics *metrics.Comparisons
	log     logr.Logger
}

// comparison repeats a share of evaluations with the other engine, one after another and apart from the requests that
// they are of: these neither wait for it nor fail with it. What does not fit in the queue is dropped.
type comparison struct {
	comparisonOptions
	queue chan waiting
	bytes atomic.Int64
}

type waiting struct {
	*pipeline.Evaluation
	bytes int64
}

func newComparison(o comparisonOptions) *comparison {
	return &comparison{comparisonOptions: o, queue: make(chan waiting, maxWaiting)}
}

// Evaluated implements pipeline.Evaluations.
func (c *comparison) Evaluated(e *pipeline.Evaluation) {
	if c.random() >= c.share {
		return
	}
	w := waiting{Evaluation: own(e), bytes: sizeOf(e.Request, maxWaitingBytes)}
	if c.bytes.Add(w.bytes) <= maxWaitingBytes {
		select {
		case c.queue <- w:
			return
		default:
		}
	}
	c.bytes.Add(-w.bytes)
	c.metrics.Dropped(metrics.ComparisonFull)
}

// own returns a copy that shares nothing with the request, which may still change.
func own(e *pipeline.Evaluation) *pipeline.Evaluation {
	copied, request := *e, *e.Request
	if request.Workload != nil {
		workload := *request.Workload
		request.Workload = &workload
	}
	copied.Request, copied.Results = &request, slices.Clone(e.Results)
	return &copied
}

// run compares until ctx ends.
func (c *comparison) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-c.queue:
			c.compare(ctx, w.Evaluation)
			c.bytes.Add(-w.bytes)
		}
	}
}

// compare counts and logs what the engines return. It logs nothing of the object but its identity.
func (c *comparison) compare(ctx context.Context, e *pipeline.Evaluation) {
	ctx, cancel := context.WithTimeout(ctx, maxComparison)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			c.metrics.Dropped(metrics.ComparisonFailed)
			c.log.Error(newPanicError(cause), "Comparing the engines panicked")
		}
	}()
	compared, err := e.Program.Compare(ctx, e.Request, e.Instances, e.Part, e.Results)
	if err != nil {
		c.metrics.Dropped(metrics.ComparisonFailed)
		return
	}
	for _, policy := range compared {
		if c.metrics.Add(policy.Policy, policy.Same); policy.Same {
			continue
		}
		c.log.Error(errEnginesDiffer, "Report this as a bug; --engine topdown is the reference", "policy", policy.Policy,
			"kind", e.Request.Kind.GroupKind().String(), "namespace", e.Request.Namespace.Name, "name", e.Request.DisplayName())
	}
}

// sizeOf returns the approximate size of what a request keeps in memory: its objects, or the body that they are parts
// of. It stops counting at a limit.
func sizeOf(r *decision.Request, limit int64) int64 {
	size := int64(0)
	var add func(value any)
	add = func(value any) {
		const node = 48 // of a map, a list, or an entry in one
		if size += node; size > limit {
			return
		}
		switch value := value.(type) {
		case string:
			size += int64(len(value))
		case map[string]any:
			for key, member := range value {
				if size += int64(len(key)); size > limit {
					return
				}
				add(member)
			}
		case []any:
			for _, element := range value {
				if size > limit {
					return
				}
				add(element)
			}
		}
	}
	add(r.Object)
	add(r.OldObject)
	return max(size, r.BodyBytes)
}
