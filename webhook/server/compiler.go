package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/pipeline"
)

const (
	// settle is how long changes are gathered before they are compiled: `kubectl apply`
	// of a folder is one change.
	settle = 100 * time.Millisecond
	// compileRetry is how long a failed compilation waits for the next attempt.
	compileRetry = 5 * time.Second
)

var errNotCompiled = errors.New("no configuration compiled yet")

// snapshot is what a *pipeline.Snapshot is to the server.
type snapshot interface {
	admission.Decider
	Guardrails() int
	Bindings() int
}

// outcome is what one compilation had to say about each Guardrail.
type outcome struct {
	// generations of the Guardrails that were compiled, by name.
	generations map[string]int64
	problems    map[string]pipeline.Problem
}

// compiler turns the Guardrails of the cluster into a snapshot whenever they change, off
// the path of requests. What it makes depends on the stored objects alone, never on the
// order of events, so that replicas and restarts agree.
type compiler struct {
	reader  client.Reader
	build   func(context.Context, []v1alpha1.Guardrail) (snapshot, []pipeline.Problem, error)
	metrics *admission.Metrics
	log     logr.Logger
	// told is called after each compilation.
	told func()

	changed chan struct{} // holds one: any number of changes is one
	current atomic.Pointer[snapshot]
	last    atomic.Pointer[outcome]
}

func newCompiler() *compiler { return &compiler{changed: make(chan struct{}, 1)} }

// Current is nil until something compiled.
func (c *compiler) Current() admission.Decider {
	if s := c.current.Load(); s != nil {
		return *s
	}
	return nil
}

// ready is a health check.
func (c *compiler) ready() error {
	if c.current.Load() == nil {
		return errNotCompiled
	}
	return nil
}

// kick asks for a compilation.
func (c *compiler) kick() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// events kicks where a change may change what compiles: not for a change of status,
// which the leader makes after each compilation.
func (c *compiler) events() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { c.kick() },
		DeleteFunc: func(any) { c.kick() },
		UpdateFunc: func(before, after any) {
			was, ok := before.(*v1alpha1.Guardrail)
			is, ok2 := after.(*v1alpha1.Guardrail)
			// A relist may show an object that was deleted and made again as an update.
			if !ok || !ok2 || was.Generation != is.Generation || was.UID != is.UID {
				c.kick()
			}
		},
	}
}

// run compiles whenever kicked, until ctx ends.
func (c *compiler) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		}
		if c.current.Load() != nil {
			sleep(ctx, settle)
		}
		if err := c.compile(ctx); err != nil && ctx.Err() == nil {
			c.metrics.SnapshotFailed()
			c.log.Error(err, "The configuration did not compile, the one before stays in force")
			time.AfterFunc(compileRetry, c.kick)
		}
	}
}

// compile makes a snapshot of the Guardrails as they are stored now and swaps it in.
func (c *compiler) compile(ctx context.Context) (err error) {
	defer func() {
		// A Guardrail that trips over a defect must not take every replica down.
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	var list v1alpha1.GuardrailList
	if err := c.reader.List(ctx, &list); err != nil {
		return fmt.Errorf("listing Guardrails: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.Guardrail) int { return strings.Compare(a.Name, b.Name) })
	began := time.Now()
	made, problems, err := c.build(ctx, list.Items)
	if err != nil {
		return err
	}
	c.current.Store(&made)
	c.metrics.Snapshot(made.ID(), made.Guardrails(), made.Bindings())
	c.log.Info("Configuration in force", "snapshot", made.ID(), "guardrails", made.Guardrails(), "bindings", made.Bindings(),
		"problems", len(problems), "seconds", time.Since(began).Seconds())

	o := &outcome{generations: make(map[string]int64, len(list.Items)), problems: make(map[string]pipeline.Problem, len(problems))}
	for i := range list.Items {
		o.generations[list.Items[i].Name] = list.Items[i].Generation
	}
	for _, p := range problems {
		o.problems[p.Guardrail] = p
		c.log.Info("A Guardrail is not wholly in force", "guardrail", p.Guardrail, "inactive", p.Inactive, "errors", p.Errors.ToAggregate().Error())
	}
	c.last.Store(o)
	c.told()
	return nil
}
