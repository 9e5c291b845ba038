package controller

import (
	"context"
	"errors"
	"fmt"
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
	"taffrail.dev/webhook/pipeline"
)

// settle is how long changes are collected before they are compiled, so that `kubectl apply` of a folder causes
// one compilation.
const settle = 100 * time.Millisecond

var errNotCompiled = errors.New("no configuration compiled yet")

// key identifies an object of the configuration.
type key struct{ kind, name string }

// outcome is the result of one compilation.
type outcome struct {
	snapshot *config.Snapshot
	// generations has the generation of each object that was compiled.
	generations map[key]int64
	problems    map[key]config.Problem
}

// of returns the problem of an object. known is false if the object was not compiled in this generation.
func (o *outcome) of(k key, generation int64) (problem config.Problem, wrong, known bool) {
	compiled, known := o.generations[k]
	problem, wrong = o.problems[k]
	return problem, wrong, known && compiled == generation
}

// builder builds a Snapshot from stored objects; *config.Builder implements it.
type builder interface {
	Build(context.Context, config.Objects) (*config.Snapshot, []config.Problem, error)
}

// compilerOptions configures a compiler.
type compilerOptions struct {
	trigger *trigger
	// notify lists the triggers to fire after each compilation.
	notify  []*trigger
	reader  client.Reader
	builder builder
	// facts and pipeline configure the Deciders.
	facts    pipeline.FactSource
	pipeline pipeline.Options
	metrics  *metrics.Configuration
	log      logr.Logger
}

// compiler rebuilds the Snapshot in the background whenever the configuration of the cluster changes. The
// result depends only on the stored objects and never on the order of events, so that replicas agree, also
// after a restart.
type compiler struct {
	compilerOptions
	loop *loop

	current atomic.Pointer[pipeline.Decider]
	last    atomic.Pointer[outcome]
}

func newCompiler(o compilerOptions) *compiler {
	c := &compiler{compilerOptions: o}
	c.loop = newLoop(loopOptions{
		trigger:   o.trigger,
		reconcile: func(ctx context.Context) (time.Duration, error) { return 0, c.compile(ctx) },
		failed: func(err error) {
			c.metrics.NotCompiled()
			c.log.Error(err, "The configuration did not compile, the previous one stays in force")
		},
	})
	return c
}

// Current returns the Decider in force, or nil before the first successful compilation.
func (c *compiler) Current() admission.Decider {
	if d := c.current.Load(); d != nil {
		return d
	}
	return nil // an untyped nil: a nil *pipeline.Decider would make a non-nil interface
}

// ready is a readiness check.
func (c *compiler) ready() error {
	if c.current.Load() == nil {
		return errNotCompiled
	}
	return nil
}

// compileEvents fires on changes that may affect compilation. The leader writes status after each compilation,
// so of the status only the parts that affect decisions count.
func compileEvents(t *trigger) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { t.fire() },
		DeleteFunc: func(any) { t.fire() },
		UpdateFunc: func(before, after any) {
			if compilesAnew(before, after) {
				t.fire()
			}
		},
	}
}

func compilesAnew(before, after any) bool {
	was, ok := before.(client.Object)
	is, ok2 := after.(client.Object)
	// After a relist, an object that was deleted and recreated may appear as an update.
	return !ok || !ok2 || was.GetGeneration() != is.GetGeneration() || was.GetUID() != is.GetUID() || lastGood(was) != lastGood(is) ||
		!equality.Semantic.DeepEqual(injection(was), injection(is))
}

// lastGood returns the spec in the status of a Policy, which may be in force.
func lastGood(object client.Object) v1alpha1.PolicySpec {
	if policy, ok := object.(*v1alpha1.Policy); ok && policy.Status.LastGood != nil {
		return policy.Status.LastGood.Spec
	}
	return v1alpha1.PolicySpec{}
}

// injection returns the injection record in the status of a Guardrail, which affects decisions.
func injection(object client.Object) *v1alpha1.Injection {
	if g, ok := object.(*v1alpha1.Guardrail); ok {
		return g.Status.Injection
	}
	return nil
}

// compile builds a Snapshot of the stored configuration and puts it in force.
func (c *compiler) compile(ctx context.Context) error {
	objects, err := readObjects(ctx, c.reader)
	if err != nil {
		return err
	}
	began := time.Now()
	made, problems, err := c.builder.Build(ctx, objects)
	if err != nil {
		return err
	}
	c.current.Store(pipeline.New(made, c.facts, c.pipeline))
	c.metrics.InForce(made.ID(), len(made.Guardrails()), made.Bindings())
	c.log.Info("Configuration in force", "snapshot", made.ID(), "guardrails", len(made.Guardrails()), "bindings", made.Bindings(),
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
	for _, t := range c.notify {
		t.fire()
	}
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
