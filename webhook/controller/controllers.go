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
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/facts"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/reach"
	"taffrail.dev/webhook/rego"
)

// Options of New. All of them are required, unless they say otherwise.
type Options struct {
	// Config leads to the API server.
	Config *rest.Config
	// Catalog holds the policies that Guardrails bind.
	Catalog *rego.Catalog
	// WebhookConfiguration is the name of both webhook configurations.
	WebhookConfiguration string
	// Here is where they lead to. Its namespace holds the Lease.
	Here reach.Installation
	// MaxMode is a ceiling for every binding; 0 is none.
	MaxMode decision.Mode
	// LeaderElect makes replicas elect the one that writes status. If it is off, this one does.
	LeaderElect bool
	// ExemptionUsageInterval is how often the leader counts what Exemptions excuse.
	ExemptionUsageInterval time.Duration
	// WouldDenyInterval is how often this replica writes what it would have denied.
	WouldDenyInterval time.Duration
	// Compare is the share of evaluations that are repeated with the other engine, between 0 and 1.
	Compare float64
	// Registerer takes the metrics of the configuration, of Exemptions, of what would be denied and of comparisons.
	Registerer prometheus.Registerer
	Log        logr.Logger
}

// Controllers are the loops of one replica, and what they share.
type Controllers struct {
	cluster      ctrlcluster.Cluster
	informers    *informers
	reachability *reachability
	compiler     *compiler
	status       *statusWriter
	usage        *exemptionUsage
	failures     *policyFailures
	counter      *wouldDenyCounter
	wouldDeny    *wouldDenyWriter
	comparison   *comparison // nil if nothing is compared
	leader       *leader     // nil if this replica leads without an election
	checker      *pipeline.Checker
	rights       *facts.Rights
}

// New returns Controllers that Run. It does not call the API server.
func New(o Options) (*Controllers, error) {
	asking, err := discovery.NewDiscoveryClientForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	served := newServedResources(asking, time.Now)
	watches := &informers{log: o.Log.WithName("informers")}
	cluster, err := newCluster(o.Config, o.WebhookConfiguration, servedMapper{newMapper(), served}, watches.failed, o.Log.WithName("cluster"))
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	cached, api := cluster.GetCache(), cluster.GetAPIReader()
	known, live := facts.New(cached, api, facts.Options{}), facts.NewLive(api)
	c := &Controllers{
		cluster: cluster, informers: watches,
		checker: pipeline.NewChecker(o.Catalog, &storedConfig{live: api, facts: known}, nil),
		rights:  facts.NewRights(cluster.GetClient()),
	}
	c.reachability = newReachability(reachabilityOptions{
		name: o.WebhookConfiguration, here: o.Here, cached: cached, live: api, served: served, log: o.Log.WithName("reach"),
	})

	// The loops trigger one another in a circle; so the triggers come first.
	compile, status, usage := newTrigger(settle), newTrigger(0), newTrigger(0)
	configuration := metrics.NewConfiguration(o.Registerer)
	decider := pipeline.Options{
		MaxMode: o.MaxMode, Live: live, Pods: live, Webhooks: c.reachability, Templates: live, Fresh: facts.NewFresh(api),
	}
	if o.Compare > 0 {
		c.comparison = newComparison(comparisonOptions{
			share: o.Compare, random: rand.Float64, metrics: metrics.NewComparisons(o.Registerer), log: o.Log.WithName("comparison"),
		})
		decider.Evaluations = c.comparison
	}
	c.compiler = newCompiler(compilerOptions{
		trigger: compile, notify: []*trigger{status, usage},
		reader: cached, builder: config.NewBuilder(o.Catalog), facts: known, pipeline: decider,
		metrics: configuration, log: o.Log.WithName("config"),
	})
	compiled := c.compiler.last.Load
	c.usage = newExemptionUsage(exemptionUsageOptions{
		trigger: usage, notify: status,
		scanner: &audit.Scanner{Reader: api, Facts: known}, mapper: cluster.GetRESTMapper(), compiled: compiled,
		interval: o.ExemptionUsageInterval, now: time.Now, log: o.Log.WithName("exemption-usage"),
	})
	c.status = newStatusWriter(statusOptions{
		trigger: status, client: cluster.GetClient(), compiled: compiled, usage: c.usage.of, namespaces: known.Namespaces,
		reachability: c.reachability, metrics: configuration, now: time.Now,
		maxMode: o.MaxMode, live: live, clock: facts.NewClock(cluster.GetClient()), log: o.Log.WithName("status"),
	})
	c.failures = newPolicyFailures(policyFailuresOptions{
		trigger: newTrigger(0), client: cluster.GetClient(), now: time.Now, log: o.Log.WithName("failures"),
	})
	c.counter = newWouldDenyCounter(metrics.NewWouldDeny(o.Registerer), time.Now)
	c.wouldDeny = newWouldDenyWriter(wouldDenyOptions{
		counter: c.counter, compiled: compiled, cached: cached, live: api, writer: cluster.GetClient(),
		interval: o.WouldDenyInterval, log: o.Log.WithName("would-deny"),
	})
	metrics.NewExemptions(o.Registerer, func() []metrics.Exemption { return metricsOf(compiled(), c.usage.last.Load()) }, time.Now)
	if o.LeaderElect {
		c.leader, err = newLeader(leaderOptions{config: o.Config, namespace: o.Here.Namespace, work: c.lead, log: o.Log.WithName("leader")})
	}
	return c, err
}

// Current returns what decides, nil until a configuration has compiled.
func (c *Controllers) Current() admission.Decider { return c.compiler.Current() }

// Checker returns what decides about Taffrail's own configuration.
func (c *Controllers) Checker() *pipeline.Checker { return c.checker }

// Rights returns what asks the API server what users may do.
func (c *Controllers) Rights() *facts.Rights { return c.rights }

// Observers returns what must be notified of each request.
func (c *Controllers) Observers() []admission.Observer {
	return []admission.Observer{c.counter, c.failures}
}

// InformersReady returns nil once everything that is watched has been read.
func (c *Controllers) InformersReady() error { return c.informers.ready() }

// ConfigurationReady returns nil once a configuration has compiled.
func (c *Controllers) ConfigurationReady() error { return c.compiler.ready() }

// Run keeps everything in step with the cluster until ctx ends.
func (c *Controllers) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.cluster.Start(ctx) })
	group.Go(func() error {
		c.watch(ctx)
		// It compiles as it starts: there may be no Guardrail, and so no event.
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
		c.lead(ctx)
		return nil
	})
	return group.Wait()
}

// watch returns once everything that decides is synced.
func (c *Controllers) watch(ctx context.Context) {
	watched := c.cluster.GetCache()
	c.informers.start(ctx, watched, compileEvents(c.compiler.trigger), statusEvents(c.status.trigger))
	// If namespaces are not watched, the next change of a Guardrail brings their statuses up to date.
	namespaces, err := watched.GetInformer(ctx, facts.WatchedNamespaces())
	if err == nil {
		_, err = namespaces.AddEventHandler(namespaceEvents(c.status.trigger))
	}
	if err != nil && ctx.Err() == nil {
		c.status.log.Error(err, "Namespaces are not watched for conflicts between Guardrails")
	}
	c.reachability.watch(ctx, watched, c.status.trigger)
}

// lead does what only one replica does, until ctx ends.
func (c *Controllers) lead(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { c.status.run(ctx) })
	both.Go(func() { c.usage.loop.run(ctx) })
	both.Wait()
}
