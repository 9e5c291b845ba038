package controller

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	ctrlcluster "sigs.k8s.io/controller-runtime/pkg/cluster"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/facts"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/reach"
	"taffrail.dev/webhook/rego"
)

// Options configures Controllers. All fields are required unless noted otherwise.
type Options struct {
	// Config connects to the API server.
	Config *rest.Config
	// Catalog holds the policies that Guardrails bind.
	Catalog *rego.Catalog
	// WebhookConfiguration is the name of both webhook configurations.
	WebhookConfiguration string
	// Here is the installation that the webhook configurations must call. Its namespace holds the Lease.
	Here reach.Installation
	// MaxMode caps the mode of every binding; 0 means no cap.
	MaxMode decision.Mode
	// LeaderElect makes replicas elect the one that writes status. Without it, this replica writes it.
	LeaderElect bool
	// ExemptionUsageInterval is the time between two counts of what Exemptions exempt.
	ExemptionUsageInterval time.Duration
	// WouldDenyInterval is the time between two writes of what this replica would have denied.
	WouldDenyInterval time.Duration
	// Compare is the share of evaluations that are repeated with the other engine, between 0 and 1.
	Compare float64
	// Registerer registers the metrics of the configuration, of Exemptions, of would-be denials and of comparisons.
	Registerer prometheus.Registerer
	Log        logr.Logger
}

// Controllers runs the loops of one replica, and owns the state that they share.
type Controllers struct {
	cluster      ctrlcluster.Cluster
	informers    *informers
	reachability *reachability
	compiler     *compiler
	status       *statusWriter
	failures     *policyFailures
	counter      *wouldDenyCounter
	wouldDeny    *wouldDenyWriter
	comparison   *comparison // nil if nothing is compared
	leader       *leader     // nil without leader election
	work         *leaderWork
	checker      *configcheck.Checker
	rights       *facts.Rights
}

// New returns Controllers that are ready to Run. It does not call the API server.
func New(o Options) (*Controllers, error) {
	asking, err := discovery.NewDiscoveryClientForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	served := newServedResources(asking, time.Now)
	watches := &informers{log: o.Log.WithName("informers")}
	cluster, err := newCluster(o.Config, o.WebhookConfiguration, servedMapper{newMapper(), served}, nil, watches.failed, o.Log.WithName("cluster"))
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	cached, api := cluster.GetCache(), cluster.GetAPIReader()
	known, live := facts.New(cached, api, facts.Options{}), facts.NewLive(api)
	reachability := newReachability(reachabilityOptions{
		name: o.WebhookConfiguration, here: o.Here, cached: cached, live: api, served: served, log: o.Log.WithName("reach"),
	})

	// The loops trigger one another in a cycle, so the triggers are created first.
	compile, writeStatus, countUsage := newTrigger(settle), newTrigger(0), newTrigger(0)
	configuration := metrics.NewConfiguration(o.Registerer)
	decider := pipeline.Options{
		MaxMode: o.MaxMode, Live: live, Pods: live, Webhooks: reachability, Templates: live, Fresh: facts.NewFresh(api),
	}
	var compared *comparison
	if o.Compare > 0 {
		compared = newComparison(comparisonOptions{
			share: o.Compare, random: rand.Float64, metrics: metrics.NewComparisons(o.Registerer), log: o.Log.WithName("comparison"),
		})
		decider.Evaluations = compared
	}
	compiler := newCompiler(compilerOptions{
		trigger: compile, notify: []*trigger{writeStatus, countUsage},
		reader: cached, builder: config.NewBuilder(o.Catalog), facts: known, pipeline: decider,
		metrics: configuration, log: o.Log.WithName("config"),
	})
	compiled := compiler.last.Load
	// The webhook may list what Exemptions exempt, and not watch it.
	objects, err := audit.NewObjects(o.Config, audit.ObjectsOptions{Pages: true})
	if err != nil {
		return nil, err
	}
	usage := newExemptionUsage(exemptionUsageOptions{
		trigger: countUsage, notify: writeStatus,
		scanner: &audit.Scanner{Objects: objects, Facts: known}, mapper: cluster.GetRESTMapper(), compiled: compiled,
		interval: o.ExemptionUsageInterval, now: time.Now, log: o.Log.WithName("exemption-usage"),
	})
	status := newStatusWriter(statusOptions{
		trigger: writeStatus, client: cluster.GetClient(), compiled: compiled, usage: usage.of, namespaces: known.Namespaces,
		reachability: reachability, metrics: configuration, now: time.Now,
		maxMode: o.MaxMode, live: live, clock: facts.NewClock(cluster.GetClient()), log: o.Log.WithName("status"),
	})
	failures := newPolicyFailures(policyFailuresOptions{
		trigger: newTrigger(0), client: cluster.GetClient(), now: time.Now, log: o.Log.WithName("failures"),
	})
	counter := newWouldDenyCounter(metrics.NewWouldDeny(o.Registerer), time.Now)
	wouldDeny := newWouldDenyWriter(wouldDenyOptions{
		counter: counter, compiled: compiled, cached: cached, live: api, writer: cluster.GetClient(),
		interval: o.WouldDenyInterval, log: o.Log.WithName("would-deny"),
	})
	metrics.NewExemptions(o.Registerer, func() []metrics.Exemption { return metricsOf(compiled(), usage.last.Load()) }, time.Now)
	work := &leaderWork{status: status, usage: usage}
	var elected *leader
	if o.LeaderElect {
		elected, err = newLeader(leaderOptions{config: o.Config, namespace: o.Here.Namespace, lease: webhookLease, work: work.run, log: o.Log.WithName("leader")})
		if err != nil {
			return nil, err
		}
	}
	return &Controllers{
		cluster: cluster, informers: watches, reachability: reachability, compiler: compiler, comparison: compared, status: status,
		failures: failures, counter: counter, wouldDeny: wouldDeny, leader: elected, work: work,
		checker: configcheck.New(o.Catalog, &storedConfig{live: api, facts: known}, nil),
		rights:  facts.NewRights(cluster.GetClient()),
	}, nil
}

// Current returns the Decider in force, or nil before the first successful compilation.
func (c *Controllers) Current() admission.Decider { return c.compiler.Current() }

// Checker returns the Checker of Taffrail's own configuration.
func (c *Controllers) Checker() *configcheck.Checker { return c.checker }

// Rights returns the source of access reviews.
func (c *Controllers) Rights() *facts.Rights { return c.rights }

// Observers returns the observers to notify of each request.
func (c *Controllers) Observers() []admission.Observer {
	return []admission.Observer{c.counter, c.failures}
}

// InformersReady returns nil once all watches are synced.
func (c *Controllers) InformersReady() error { return c.informers.ready() }

// ConfigurationReady returns nil once a configuration has compiled.
func (c *Controllers) ConfigurationReady() error { return c.compiler.ready() }

// Run reconciles everything with the cluster until ctx ends.
func (c *Controllers) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.cluster.Start(ctx) })
	group.Go(func() error {
		c.watch(ctx)
		// The loop compiles when it starts: without a Guardrail there would be no event to trigger it.
		c.compiler.loop.run(ctx)
		return nil
	})
	group.Go(func() error {
		c.failures.loop.run(ctx)
		return nil
	})
	group.Go(func() error {
		c.wouldDeny.run(ctx)
		return nil
	})
	if c.comparison != nil {
		group.Go(func() error {
			c.comparison.run(ctx)
			return nil
		})
	}
	group.Go(func() error {
		if c.leader != nil {
			return c.leader.run(ctx)
		}
		c.work.run(ctx)
		return nil
	})
	return group.Wait()
}

// watch returns once everything that affects decisions is synced.
func (c *Controllers) watch(ctx context.Context) {
	watched := c.cluster.GetCache()
	c.informers.start(ctx, watched, compileEvents(c.compiler.trigger), statusEvents(c.status.trigger))
	// If namespaces cannot be watched, the next change of a Guardrail updates the statuses.
	namespaces, err := watched.GetInformer(ctx, facts.WatchedNamespaces())
	if err == nil {
		_, err = namespaces.AddEventHandler(namespaceEvents(c.status.trigger))
	}
	if err != nil && ctx.Err() == nil {
		c.status.log.Error(err, "Cannot watch namespaces for conflicts between Guardrails")
	}
	c.reachability.watch(ctx, watched, c.status.trigger)
}

// leaderWork is what only one replica does.
type leaderWork struct {
	status *statusWriter
	usage  *exemptionUsage
}

// run works until ctx ends.
func (w *leaderWork) run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { w.status.run(ctx) })
	both.Go(func() { w.usage.loop.run(ctx) })
	both.Wait()
}
