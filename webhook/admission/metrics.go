package admission

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"taffrail.dev/webhook/decision"
)

// Metrics is what Prometheus reads of Taffrail. Labels are bounded: by the catalogue
// for policies, by closed sets for all else; no label names an object or a namespace.
// A nil *Metrics counts nothing.
type Metrics struct {
	requests      *prometheus.CounterVec
	results       *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	errors        *prometheus.CounterVec
	snapshot      *prometheus.GaugeVec
	guardrails    prometheus.Gauge
	bindings      prometheus.Gauge
	compiled      prometheus.Gauge
	compileErrors prometheus.Counter
	problems      *prometheus.GaugeVec
	certificate   prometheus.Gauge
}

// NewMetrics makes the metrics and registers them; it panics where they are registered
// already, which is a mistake in the program.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "taffrail_requests_total",
			Help: "Admission requests by path, operation and verdict (allow, warn, unknown, deny, error).",
		}, []string{"path", "operation", "verdict"}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "taffrail_policy_results_total",
			Help: "Findings and fills by policy, mode and outcome (denied, warned, recorded, tolerated, exempted, unknown, error, filled, suggested, left). Dry runs are left out.",
		}, []string{"policy", "mode", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "taffrail_evaluation_seconds",
			Help:    "Time from the last byte of a decided request to its answer, by path.",
			Buckets: []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1},
		}, []string{"path"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "taffrail_errors_total", Help: "Requests answered with an HTTP error, by reason (shed: too many in flight).",
		}, []string{"reason"}),
		snapshot: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "taffrail_snapshot_info", Help: "1 for the id of the configuration in force. Replicas that agree show the same id.",
		}, []string{"id"}),
		guardrails: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "taffrail_snapshot_guardrails", Help: "Guardrails in force.",
		}),
		bindings: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "taffrail_snapshot_bindings", Help: "Policy bindings in force.",
		}),
		compiled: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "taffrail_snapshot_compiled_timestamp_seconds", Help: "When the configuration in force was compiled.",
		}),
		compileErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "taffrail_snapshot_errors_total", Help: "Configurations that did not compile; the one before stays in force.",
		}),
		problems: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "taffrail_configuration_problems", Help: "Guardrails, Exemptions and Policies of which something is wrong, by kind; their status says what.",
		}, []string{"kind"}),
		certificate: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "taffrail_certificate_expiry_timestamp_seconds", Help: "When the serving certificate expires.",
		}),
	}
	registerer.MustRegister(m.requests, m.results, m.seconds, m.errors, m.snapshot, m.guardrails, m.bindings,
		m.compiled, m.compileErrors, m.problems, m.certificate)
	// A series that begins with its first error has no rate that an alert could see.
	for _, reason := range reasons() {
		m.errors.WithLabelValues(string(reason))
	}
	return m
}

// Snapshot tells of a configuration that has come into force.
func (m *Metrics) Snapshot(id string, guardrails, bindings int) {
	if m == nil {
		return
	}
	m.snapshot.Reset()
	m.snapshot.WithLabelValues(id).Set(1)
	m.guardrails.Set(float64(guardrails))
	m.bindings.Set(float64(bindings))
	m.compiled.SetToCurrentTime()
}

// SnapshotFailed tells of a configuration that did not compile.
func (m *Metrics) SnapshotFailed() {
	if m != nil {
		m.compileErrors.Inc()
	}
}

// Problems tells how many objects of a kind are wrong.
func (m *Metrics) Problems(kind string, n int) {
	if m != nil {
		m.problems.WithLabelValues(kind).Set(float64(n))
	}
}

// Certificate tells when the certificate in use expires.
func (m *Metrics) Certificate(expires time.Time) {
	if m != nil {
		m.certificate.Set(float64(expires.Unix()))
	}
}

// decided counts an answer. Findings are counted at /validate and the fills of Pods at
// /mutate, so that nothing counts twice.
func (m *Metrics) decided(path string, c *call) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(path, operationOf(c), c.verdict.String()).Inc()
	m.seconds.WithLabelValues(path).Observe(time.Since(c.began).Seconds())
	if c.decision == nil || c.request.DryRun {
		return
	}
	for policy := range c.decision.Errors {
		m.results.WithLabelValues(policy, "", "error").Inc()
	}
	if path == MutatePath {
		for _, f := range c.decision.Fills {
			outcome := "suggested"
			switch {
			case f.Mode == decision.ModeEnforce:
				outcome = "filled"
			case f.SkipReason != "":
				outcome = "left"
			}
			m.results.WithLabelValues(f.Policy, f.Mode.String(), outcome).Inc()
		}
		return
	}
	for i := range c.decision.Findings {
		f := &c.decision.Findings[i]
		m.results.WithLabelValues(f.Policy, f.Mode.String(), f.Outcome()).Inc()
	}
}

func (m *Metrics) failed(path string, c *call, f *failure) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(path, operationOf(c), "error").Inc()
	m.errors.WithLabelValues(string(f.reason)).Inc()
	if c.decision != nil {
		for policy := range c.decision.Errors {
			m.results.WithLabelValues(policy, "", "error").Inc()
		}
	}
}

// operationOf keeps the label closed: whoever reaches the port may write anything.
func operationOf(c *call) string {
	if c.request == nil {
		return ""
	}
	switch c.request.Operation {
	case decision.Create, decision.Update:
		return string(c.request.Operation)
	}
	return "OTHER"
}
