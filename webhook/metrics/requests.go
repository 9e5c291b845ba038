package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/decision"
)

// Requests counts admission requests and what policies found in them. It is an
// admission.Observer.
type Requests struct {
	requests *prometheus.CounterVec
	results  *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	errors   *prometheus.CounterVec
}

// NewRequests returns the metrics of requests, with every reason for an error at zero: a series
// that begins with its first error has no rate that an alert could see.
func NewRequests(registerer prometheus.Registerer) *Requests {
	m := &Requests{
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
	}
	registerer.MustRegister(m.requests, m.results, m.seconds, m.errors)
	for _, reason := range admission.Reasons() {
		m.errors.WithLabelValues(string(reason))
	}
	return m
}

// Observe implements admission.Observer.
func (m *Requests) Observe(o *admission.Observation) {
	if o.Err != nil {
		m.failed(o)
		return
	}
	m.requests.WithLabelValues(o.Path, operation(o.Request), o.Verdict.String()).Inc()
	m.seconds.WithLabelValues(o.Path).Observe(o.Duration.Seconds())
	if o.Decision == nil || o.Request.DryRun {
		return
	}
	m.policyErrors(o.Decision)
	// Findings are counted at /validate and the fills of Pods at /mutate, so that nothing counts
	// twice.
	if o.Path == admission.MutatePath {
		m.fills(o.Decision)
		return
	}
	for i := range o.Decision.Findings {
		f := &o.Decision.Findings[i]
		m.results.WithLabelValues(f.Policy, f.Mode.String(), f.Outcome()).Inc()
	}
}

func (m *Requests) failed(o *admission.Observation) {
	m.requests.WithLabelValues(o.Path, operation(o.Request), "error").Inc()
	m.errors.WithLabelValues(string(o.Reason)).Inc()
	if o.Decision != nil {
		m.policyErrors(o.Decision)
	}
}

func (m *Requests) policyErrors(d *decision.Decision) {
	for policy := range d.Errors {
		m.results.WithLabelValues(policy, "", "error").Inc()
	}
}

func (m *Requests) fills(d *decision.Decision) {
	for i := range d.Fills {
		f := &d.Fills[i]
		outcome := "suggested"
		switch {
		case f.Mode == decision.ModeEnforce:
			outcome = "filled"
		case f.SkipReason != "":
			outcome = "left"
		}
		m.results.WithLabelValues(f.Policy, f.Mode.String(), outcome).Inc()
	}
}

// operation keeps the label closed: whoever reaches the port may write anything.
func operation(r *decision.Request) string {
	if r == nil {
		return ""
	}
	switch r.Operation {
	case decision.Create, decision.Update:
		return string(r.Operation)
	}
	return "OTHER"
}
