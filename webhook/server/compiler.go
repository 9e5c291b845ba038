package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/metrics"
)

const (
	// settle is how long changes are gathered before they are compiled: `kubectl apply`
	// of a folder is one change.
	settle = 100 * time.Millisecond
	// compileRetry is how long a failed compilation waits for the next attempt.
	compileRetry = 5 * time.Second
)

var errNotCompiled = errors.New("no configuration compiled yet")

// key names an object of the configuration.
type key struct{ kind, name string }

// outcome is what one compilation had to say about each object.
type outcome struct {
	snapshot *config.Snapshot
	// generations of the objects that were compiled.
	generations map[key]int64
	problems    map[key]config.Problem
}

// of tells what became of an object; known is false where it was not compiled as it is now.
func (o *outcome) of(k key, generation int64) (problem config.Problem, wrong, known bool) {
	compiled, known := o.generations[k]
	problem, wrong = o.problems[k]
	return problem, wrong, known && compiled == generation
}

// compiler turns the configuration of the cluster into a snapshot whenever they change, off
// the path of requests. What it makes depends on the stored objects alone, never on the
// order of events, so that replicas and restarts agree.
type compiler struct {
	reader client.Reader
	build  func(context.Context, config.Objects) (*config.Snapshot, []config.Problem, error)
	// decider makes what decides by a snapshot.
	decider func(*config.Snapshot) admission.Decider
	metrics *metrics.Configuration
	log     logr.Logger
	// told is called after each compilation.
	told func()

	bell
	current atomic.Pointer[admission.Decider]
	last    atomic.Pointer[outcome]
}

func newCompiler() *compiler { return &compiler{bell: newBell()} }

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

// events kicks where a change may change what compiles: not for a change of status,
// which the leader makes after each compilation.
func (c *compiler) events() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { c.kick() },
		DeleteFunc: func(any) { c.kick() },
		UpdateFunc: func(before, after any) {
			was, ok := before.(client.Object)
			is, ok2 := after.(client.Object)
			// A relist may show an object that was deleted and made again as an update.
			if !ok || !ok2 || was.GetGeneration() != is.GetGeneration() || was.GetUID() != is.GetUID() || lastGood(was) != lastGood(is) ||
				!equality.Semantic.DeepEqual(injection(was), injection(is)) {
				c.kick()
			}
		},
	}
}

// lastGood is the part of a status that may be in force.
func lastGood(object client.Object) v1alpha1.PolicySpec {
	if policy, ok := object.(*v1alpha1.Policy); ok && policy.Status.LastGood != nil {
		return policy.Status.LastGood.Spec
	}
	return v1alpha1.PolicySpec{}
}

// injection is the part of the status of a Guardrail that decides.
func injection(object client.Object) *v1alpha1.Injection {
	if g, ok := object.(*v1alpha1.Guardrail); ok {
		return g.Status.Injection
	}
	return nil
}

// run compiles whenever kicked, until ctx ends.
func (c *compiler) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.bell:
		}
		if c.current.Load() != nil {
			sleep(ctx, settle)
		}
		if err := c.compile(ctx); err != nil && ctx.Err() == nil {
			c.metrics.NotCompiled()
			c.log.Error(err, "The configuration did not compile, the one before stays in force")
			time.AfterFunc(compileRetry, c.kick)
		}
	}
}

// compile makes a snapshot of the configuration as it is stored now and swaps it in.
func (c *compiler) compile(ctx context.Context) (err error) {
	defer func() {
		// An object that trips over a defect must not take every replica down.
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	objects, err := readObjects(ctx, c.reader)
	if err != nil {
		return err
	}
	began := time.Now()
	made, problems, err := c.build(ctx, objects)
	if err != nil {
		return err
	}
	decider := c.decider(made)
	c.current.Store(&decider)
	c.metrics.InForce(made.ID(), len(made.Guardrails()), made.Bindings())
	c.log.Info("Configuration in force", "snapshot", made.ID(), "guardrails", made.Guardrails(), "bindings", made.Bindings(),
		"problems", len(problems), "seconds", time.Since(began).Seconds())

	o := &outcome{snapshot: made, generations: generations(objects), problems: make(map[key]config.Problem, len(problems))}
	wrong := map[string]int{}
	for _, p := range problems {
		o.problems[key{p.Kind, p.Name}] = p
		wrong[p.Kind]++
		c.log.Info("Part of the configuration is not in force", "kind", p.Kind, "name", p.Name, "inactive", p.Inactive, "errors", p.Errors.ToAggregate().Error())
	}
	for _, kind := range []string{config.KindGuardrail, config.KindExemption, config.KindPolicy} {
		c.metrics.Problems(kind, wrong[kind])
	}
	c.last.Store(o)
	c.told()
	return nil
}

// readObjects reads the stored configuration.
func readObjects(ctx context.Context, reader client.Reader) (config.Objects, error) {
	var guardrails v1alpha1.GuardrailList
	var exemptions v1alpha1.ExemptionList
	var policies v1alpha1.PolicyList
	for _, list := range []client.ObjectList{&guardrails, &exemptions, &policies} {
		if err := reader.List(ctx, list); err != nil {
			return config.Objects{}, fmt.Errorf("listing the configuration: %w", err)
		}
	}
	return config.Objects{Guardrails: guardrails.Items, Exemptions: exemptions.Items, Policies: policies.Items}, nil
}

func generations(objects config.Objects) map[key]int64 {
	all := map[key]int64{}
	for i := range objects.Guardrails {
		all[key{config.KindGuardrail, objects.Guardrails[i].Name}] = objects.Guardrails[i].Generation
	}
	for i := range objects.Exemptions {
		all[key{config.KindExemption, objects.Exemptions[i].Name}] = objects.Exemptions[i].Generation
	}
	for i := range objects.Policies {
		all[key{config.KindPolicy, objects.Policies[i].Name}] = objects.Policies[i].Generation
	}
	return all
}
