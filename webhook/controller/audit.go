package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	ctrlcluster "sigs.k8s.io/controller-runtime/pkg/cluster"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/facts"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/rego"
)

// auditLease is the Lease of the auditors. That of the webhook is another one.
const auditLease = "taffrail-audit"

// AuditOptions configures Audit. All fields are required unless noted otherwise.
type AuditOptions struct {
	// Config connects to the API server.
	Config *rest.Config
	// Catalog holds the policies that Guardrails bind.
	Catalog *rego.Catalog
	// Name is the name of the installation, by which its reports are known.
	Name string
	// Namespace holds the Lease.
	Namespace string
	// MaxMode caps the mode of every binding; 0 means no cap.
	MaxMode decision.Mode
	// LeaderElect makes replicas elect the one that audits. Without it, this replica does.
	LeaderElect bool
	// Pace is how many objects a second are decided that have not just changed, and ReportPace how many reports a second
	// are written.
	Pace, ReportPace float64
	// Resync is the time after which every object is decided again although nothing has changed.
	Resync time.Duration
	// OwnerLabels are labels or annotations whose value names the owner of an object. It is optional.
	OwnerLabels []string
	// Found is called when the findings of an object have changed, and there are some. It must not block. It is optional.
	Found func(audit.Found)
	// Registerer registers the metrics of the configuration and of the audit.
	Registerer prometheus.Registerer
	Log        logr.Logger
}

// Audit runs the continuous audit of one replica.
type Audit struct {
	cluster   ctrlcluster.Cluster
	informers *informers
	compiler  *compiler
	leader    *leader // nil without leader election
	terms     *auditTerms
}

// NewAudit returns an Audit that is ready to Run. It does not call the API server.
func NewAudit(o AuditOptions) (*Audit, error) {
	asking, err := discovery.NewDiscoveryClientForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	watches := &informers{log: o.Log.WithName("informers")}
	mapper := servedMapper{newMapper(), newServedResources(asking, time.Now)}
	cluster, err := newCluster(o.Config, o.Name, mapper, o.OwnerLabels, watches.failed, o.Log.WithName("cluster"))
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	if err := openreports.Install(cluster.GetScheme()); err != nil {
		return nil, err
	}
	objects, err := audit.NewObjects(o.Config, audit.ObjectsOptions{})
	if err != nil {
		return nil, err
	}
	known := facts.New(cluster.GetCache(), cluster.GetAPIReader(), facts.Options{})
	configure := newTrigger(0)
	compiler := newCompiler(compilerOptions{
		trigger: newTrigger(settle), notify: []*trigger{configure}, reader: cluster.GetCache(), builder: config.NewBuilder(o.Catalog),
		facts: known, pipeline: pipeline.Options{MaxMode: o.MaxMode}, metrics: metrics.NewConfiguration(o.Registerer), log: o.Log.WithName("config"),
	})
	terms := &auditTerms{
		options: o, cluster: cluster, compiler: compiler, objects: objects, mapper: mapper, facts: known, changes: &auditChanges{configure: configure},
	}
	metrics.NewAudit(o.Registerer, terms.metrics, time.Now)
	var elected *leader
	if o.LeaderElect {
		if elected, err = newLeader(leaderOptions{
			config: o.Config, namespace: o.Namespace, lease: auditLease, work: terms.audit, log: o.Log.WithName("leader"),
		}); err != nil {
			return nil, err
		}
	}
	return &Audit{cluster: cluster, informers: watches, compiler: compiler, leader: elected, terms: terms}, nil
}

// InformersReady returns nil once all watches of the configuration and of facts are synced.
func (a *Audit) InformersReady() error { return a.informers.ready() }

// ConfigurationReady returns nil once a configuration has compiled.
func (a *Audit) ConfigurationReady() error { return a.compiler.ready() }

// Run audits until ctx ends.
func (a *Audit) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.cluster.Start(ctx) })
	ready := make(chan struct{})
	group.Go(func() error {
		a.informers.start(ctx, a.cluster.GetCache(), compileEvents(a.compiler.trigger))
		if err := a.terms.changes.watch(ctx, a.cluster.GetCache()); err != nil && ctx.Err() == nil {
			return err
		}
		close(ready)
		a.compiler.loop.run(ctx)
		return nil
	})
	group.Go(func() error {
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
		if a.leader != nil {
			return a.leader.run(ctx)
		}
		a.terms.audit(ctx)
		return nil
	})
	return group.Wait()
}
