package controller

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	ctrlcluster "sigs.k8s.io/controller-runtime/pkg/cluster"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/facts"
	"taffrail.dev/webhook/metrics"
)

// auditWork is the work of one term as leader.
type auditWork struct {
	auditor *audit.Auditor
	reports *reportWriter
	status  *auditStatus
}

// auditTerms audits in each term as leader.
type auditTerms struct {
	options  AuditOptions
	cluster  ctrlcluster.Cluster
	compiler *compiler
	objects  *audit.Objects
	mapper   meta.RESTMapper
	facts    *facts.Facts
	changes  *auditChanges
	// work is what this replica does while it audits; nil while another one does.
	work atomic.Pointer[auditWork]
	// written counts the writes of reports over all terms.
	written reportWrites
}

// audit works until ctx ends, from nothing but what is in the cluster.
func (a *auditTerms) audit(ctx context.Context) {
	writeStatus := newTrigger(time.Second)
	reports := newReportWriter(reportsOptions{
		objects: a.objects, client: a.cluster.GetClient(), mapper: a.mapper, name: a.options.Name, pace: a.options.ReportPace, writes: &a.written,
		onState: writeStatus.fire, log: a.options.Log.WithName("reports"),
	})
	auditor := audit.NewAuditor(audit.AuditorOptions{
		Objects: a.objects, Facts: a.facts, Mapper: a.mapper, Pace: a.options.Pace, Resync: a.options.Resync, OwnerLabels: a.options.OwnerLabels,
		Changed: func(namespace string) {
			reports.changed(namespace)
			writeStatus.fire()
		},
		StateChanged: writeStatus.fire, Found: a.options.Found,
		Now: time.Now, Log: a.options.Log.WithName("auditor"),
	})
	status := newAuditStatus(auditStatusOptions{
		trigger: writeStatus, client: a.cluster.GetClient(), auditor: auditor, namespaces: a.facts.Namespaces, reports: reports.problem,
		begin: func() { reports.begin(auditor) }, now: time.Now, log: a.options.Log.WithName("status"),
	})
	work := &auditWork{auditor, reports, status}
	a.work.Store(work)
	// This replica may lead again before this term has ended.
	defer a.work.CompareAndSwap(work, nil)
	configure := newLoop(loopOptions{
		trigger: a.changes.configure, failed: func(err error) { a.options.Log.Error(err, "Cannot put a configuration into force, retrying") },
		reconcile: func(context.Context) (time.Duration, error) {
			// Each compilation fires the trigger, the first one too.
			if decider := a.compiler.current.Load(); decider != nil {
				auditor.Configure(decider)
			}
			return 0, nil
		},
	})
	defer a.changes.follow(auditor)()
	var all sync.WaitGroup
	all.Go(func() { configure.run(ctx) })
	all.Go(func() { auditor.Run(ctx) })
	all.Go(func() { reports.run(ctx) })
	all.Go(func() { status.loop.run(ctx) })
	all.Wait()
}

// metrics returns what the metrics of the audit serve, or nil while another replica audits.
func (a *auditTerms) metrics() *metrics.AuditState {
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
