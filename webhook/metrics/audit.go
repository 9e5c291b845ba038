package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// AuditState is what is served about the audit.
type AuditState struct {
	// Objects counts the objects that are decided on their own, by kind as in Deployment.apps.
	Objects   map[string]int
	Undecided int
	Unread    int
	Complete  bool
	// Since is since when a change waits to be decided. It is zero if nothing does.
	Since                             time.Time
	Changed, Listed, Again            int64
	Reports                           int
	Created, Updated, Deleted, Failed int64
	Violating                         []AuditViolating
	Findings                          []AuditFindings
}

// AuditViolating counts the objects with findings under a Guardrail.
type AuditViolating struct {
	Guardrail string
	Objects   int
}

// AuditFindings counts the findings of a policy under a Guardrail.
type AuditFindings struct {
	Guardrail, Policy, Mode string
	Findings                int
}

// Audit is collected at each scrape. Only the replica that audits serves it. There is a series for every bound policy
// of every Guardrail, and for every bound kind, and no more.
type Audit struct {
	state func() *AuditState
	now   func() time.Time

	objects, undecided, unread, complete, lag, decisions, reports, writes, violating, findings *prometheus.Desc
}

// NewAudit returns a collector of what state returns, which is nil while another replica audits.
func NewAudit(registerer prometheus.Registerer, state func() *AuditState, now func() time.Time) *Audit {
	m := &Audit{
		state: state, now: now,
		objects: prometheus.NewDesc("taffrail_audit_objects",
			"Existing objects that the audit decides on their own, by kind.", []string{"kind"}, nil),
		undecided: prometheus.NewDesc("taffrail_audit_undecided_objects",
			"Existing objects that the audit could not decide.", nil, nil),
		unread: prometheus.NewDesc("taffrail_audit_unread_kinds",
			"Bound kinds that the audit cannot read.", nil, nil),
		complete: prometheus.NewDesc("taffrail_audit_complete",
			"1 once the audit has read every bound kind since it began, or the API server has refused that; 0 before.", nil, nil),
		lag: prometheus.NewDesc("taffrail_audit_lag_seconds",
			"How long the oldest change has waited that the audit has not decided yet, or reads have failed; 0 if neither is so.", nil, nil),
		decisions: prometheus.NewDesc("taffrail_audit_decisions_total",
			"Decisions of the audit, by cause (changed: the object; listed: when its kind was read; again: something that it depends on).", []string{"cause"}, nil),
		reports: prometheus.NewDesc("taffrail_audit_reports",
			"Reports that the audit keeps in the cluster.", nil, nil),
		writes: prometheus.NewDesc("taffrail_audit_report_writes_total",
			"Writes of reports, by operation (create, update, delete, failed).", []string{"operation"}, nil),
		violating: prometheus.NewDesc("taffrail_audit_violating_objects",
			"Existing objects with findings that no Exemption exempts, by Guardrail.", []string{"guardrail"}, nil),
		findings: prometheus.NewDesc("taffrail_audit_findings",
			"Findings in existing objects, by Guardrail, policy and mode in effect.", []string{"guardrail", "policy", "mode"}, nil),
	}
	registerer.MustRegister(m)
	return m
}

// Describe implements prometheus.Collector.
func (m *Audit) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		m.objects, m.undecided, m.unread, m.complete, m.lag, m.decisions, m.reports, m.writes, m.violating, m.findings,
	} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *Audit) Collect(to chan<- prometheus.Metric) {
	s := m.state()
	if s == nil {
		return
	}
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		send(desc, prometheus.GaugeValue, value, labels...)
	}
	for kind, n := range s.Objects {
		gauge(m.objects, float64(n), kind)
	}
	gauge(m.undecided, float64(s.Undecided))
	gauge(m.unread, float64(s.Unread))
	complete := 0.0
	if s.Complete {
		complete = 1
	}
	gauge(m.complete, complete)
	lag := 0.0
	if !s.Since.IsZero() {
		lag = m.now().Sub(s.Since).Seconds()
	}
	gauge(m.lag, lag)
	gauge(m.reports, float64(s.Reports))
	for cause, n := range map[string]int64{"changed": s.Changed, "listed": s.Listed, "again": s.Again} {
		send(m.decisions, prometheus.CounterValue, float64(n), cause)
	}
	for operation, n := range map[string]int64{"create": s.Created, "update": s.Updated, "delete": s.Deleted, "failed": s.Failed} {
		send(m.writes, prometheus.CounterValue, float64(n), operation)
	}
	for _, v := range s.Violating {
		gauge(m.violating, float64(v.Objects), v.Guardrail)
	}
	for _, f := range s.Findings {
		gauge(m.findings, float64(f.Findings), f.Guardrail, f.Policy, f.Mode)
	}
}
