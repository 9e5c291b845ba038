package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
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
	// Registerer registers the metrics of the configuration and of the audit.
	Registerer prometheus.Registerer
	Log        logr.Logger
}

// Audit runs the continuous audit of one replica.
type Audit struct {
	options   AuditOptions
	cluster   ctrlcluster.Cluster
	informers *informers
	compiler  *compiler
	leader    *leader // nil without leader election
	objects   *audit.Objects
	mapper    meta.RESTMapper
	facts     *facts.Facts
	changes   *auditChanges
	// work is what this replica does while it audits; nil while another one does.
	work atomic.Pointer[auditWork]
	// written counts the writes of reports over all terms.
	written *reportWrites
}

// NewAudit returns an Audit that is ready to Run. It does not call the API server.
func NewAudit(o AuditOptions) (*Audit, error) {
	asking, err := discovery.NewDiscoveryClientForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	a := &Audit{options: o, informers: &informers{log: o.Log.WithName("informers")}, written: &reportWrites{}}
	a.mapper = servedMapper{newMapper(), newServedResources(asking, time.Now)}
	if a.cluster, err = newCluster(o.Config, o.Name, a.mapper, a.informers.failed, o.Log.WithName("cluster")); err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	if err := openreports.AddToScheme(a.cluster.GetScheme()); err != nil {
		return nil, err
	}
	if a.objects, err = audit.NewObjects(o.Config, audit.ObjectsOptions{}); err != nil {
		return nil, err
	}
	a.facts = facts.New(a.cluster.GetCache(), a.cluster.GetAPIReader(), facts.Options{})
	configure := newTrigger(0)
	a.changes = &auditChanges{configure: configure}
	a.compiler = newCompiler(compilerOptions{
		trigger: newTrigger(settle), notify: []*trigger{configure}, reader: a.cluster.GetCache(), builder: config.NewBuilder(o.Catalog),
		facts: a.facts, pipeline: pipeline.Options{MaxMode: o.MaxMode}, metrics: metrics.NewConfiguration(o.Registerer), log: o.Log.WithName("config"),
	})
	metrics.NewAudit(o.Registerer, a.metrics, time.Now)
	if o.LeaderElect {
		if a.leader, err = newLeader(leaderOptions{
			config: o.Config, namespace: o.Namespace, lease: auditLease, work: a.audit, log: o.Log.WithName("leader"),
		}); err != nil {
			return nil, err
		}
	}
	return a, nil
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
		if err := a.changes.watch(ctx, a.cluster.GetCache()); err != nil && ctx.Err() == nil {
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
		a.audit(ctx)
		return nil
	})
	return group.Wait()
}

// auditWork is the work of one term as leader.
type auditWork struct {
	auditor *audit.Auditor
	reports *reportWriter
	status  *auditStatus
}

// audit works until ctx ends, from nothing but what is in the cluster.
func (a *Audit) audit(ctx context.Context) {
	writeStatus := newTrigger(time.Second)
	work := &auditWork{}
	work.reports = newReportWriter(reportsOptions{
		objects: a.objects, client: a.cluster.GetClient(), mapper: a.mapper, name: a.options.Name, pace: a.options.ReportPace, writes: a.written,
		onState: writeStatus.fire, log: a.options.Log.WithName("reports"),
	})
	work.auditor = audit.NewAuditor(audit.AuditorOptions{
		Objects: a.objects, Facts: a.facts, Mapper: a.mapper, Pace: a.options.Pace, Resync: a.options.Resync, OwnerLabels: a.options.OwnerLabels,
		Seen: work.reports.firstSeen,
		Changed: func(namespace string) {
			work.reports.changed(namespace)
			writeStatus.fire()
		},
		StateChanged: writeStatus.fire,
		Now:          time.Now, Log: a.options.Log.WithName("auditor"),
	})
	work.status = newAuditStatus(auditStatusOptions{
		trigger: writeStatus, client: a.cluster.GetClient(), auditor: work.auditor, namespaces: a.facts.Namespaces, reports: work.reports.problem,
		begin: func() { work.reports.begin(work.auditor) }, now: time.Now, log: a.options.Log.WithName("status"),
	})
	versions := work.reports.load(ctx)
	if ctx.Err() != nil {
		return
	}
	a.work.Store(work)
	defer a.work.Store(nil)
	configure := newLoop(loopOptions{
		trigger: a.changes.configure, failed: func(err error) { a.options.Log.Error(err, "Cannot put a configuration into force, retrying") },
		reconcile: func(context.Context) (time.Duration, error) { return 0, a.configure(work.auditor) },
	})
	defer a.changes.follow(work.auditor)()
	var all sync.WaitGroup
	all.Go(func() { configure.run(ctx) })
	all.Go(func() { work.auditor.Run(ctx) })
	all.Go(func() { work.reports.run(ctx, versions) })
	all.Go(func() { work.status.loop.run(ctx) })
	all.Wait()
}

var errNoDecider = errors.New("no configuration has compiled yet")

// configure puts the configuration that was compiled last into force.
func (a *Audit) configure(auditor *audit.Auditor) error {
	decider := a.compiler.current.Load()
	if decider == nil {
		return errNoDecider
	}
	auditor.Configure(decider)
	return nil
}

// metrics returns what the metrics of the audit serve, or nil while another replica audits.
func (a *Audit) metrics() *metrics.AuditState {
	work := a.work.Load()
	if work == nil {
		return nil
	}
	state := work.auditor.State()
	served := &metrics.AuditState{
		Objects: map[string]int{}, Complete: state.Complete, Since: state.Since, Undecided: state.Undecided, Unread: len(state.Unread),
		Changed: state.Decisions.Changed, Listed: state.Decisions.Listed, Again: state.Decisions.Again, Reports: work.reports.count(),
		Created: a.written.created.Load(), Updated: a.written.updated.Load(), Deleted: a.written.deleted.Load(), Failed: a.written.failed.Load(),
	}
	for kind, n := range state.Objects {
		served.Objects[kind.String()] = n
	}
	namespaces, err := a.facts.Namespaces(context.Background())
	if err != nil {
		return served
	}
	for name, found := range work.auditor.ByGuardrail(namespaces) {
		served.Violating = append(served.Violating, metrics.AuditViolating{Guardrail: name, Objects: found.Violating})
		for _, p := range found.Policies {
			served.Findings = append(served.Findings, metrics.AuditFindings{Guardrail: name, Policy: p.Policy, Mode: p.Mode.String(), Findings: p.Findings})
		}
	}
	return served
}
