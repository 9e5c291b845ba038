package metrics

import "github.com/prometheus/client_golang/prometheus"

// The reasons for which an evaluation was to be compared and was not.
const (
	// ComparisonFull: too many were waiting, or they were too large.
	ComparisonFull = "full"
	// ComparisonFailed: the other engine did not finish.
	ComparisonFailed = "failed"
)

// Comparisons counts evaluations that were repeated with the other engine.
type Comparisons struct {
	compared, differences, dropped *prometheus.CounterVec
}

// NewComparisons returns the metrics of comparisons.
func NewComparisons(registerer prometheus.Registerer) *Comparisons {
	m := &Comparisons{
		compared: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "taffrail_engine_comparisons_total", Help: "Evaluations that were repeated with the other engine, by policy.",
		}, []string{"policy"}),
		differences: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "taffrail_engine_differences_total", Help: "Evaluations for which the engines returned different results, by policy.",
		}, []string{"policy"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "taffrail_engine_comparisons_dropped_total",
			Help: "Evaluations that were selected and not compared, by reason (full: too much was waiting; failed: the other engine did not finish).",
		}, []string{"reason"}),
	}
	registerer.MustRegister(m.compared, m.differences, m.dropped)
	for _, reason := range []string{ComparisonFull, ComparisonFailed} {
		m.dropped.WithLabelValues(reason)
	}
	return m
}

// Add counts the comparison of one policy.
func (m *Comparisons) Add(policy string, same bool) {
	m.compared.WithLabelValues(policy).Inc()
	differences := m.differences.WithLabelValues(policy)
	if !same {
		differences.Inc()
	}
}

// Dropped counts an evaluation that was not compared.
func (m *Comparisons) Dropped(reason string) { m.dropped.WithLabelValues(reason).Inc() }
