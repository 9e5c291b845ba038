package metrics

import "github.com/prometheus/client_golang/prometheus"

// Configuration describes the configuration in force, and what is wrong with the stored one.
type Configuration struct {
	snapshot   *prometheus.GaugeVec
	guardrails prometheus.Gauge
	bindings   prometheus.Gauge
	compiled   prometheus.Gauge
	errors     prometheus.Counter
	problems   *prometheus.GaugeVec
	unreached  *prometheus.GaugeVec
}

// NewConfiguration returns the metrics of the configuration.
func NewConfiguration(registerer prometheus.Registerer) *Configuration {
	m := &Configuration{
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
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "taffrail_snapshot_errors_total", Help: "Configurations that did not compile; the previous one stays in force.",
		}),
		problems: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "taffrail_configuration_problems", Help: "Guardrails, Exemptions and Policies that have a problem, by kind; their status names it.",
		}, []string{"kind"}),
		unreached: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "taffrail_configuration_unreached",
			Help: "Guardrails and Policies for which the API server does not send everything, by kind, as found by the replica that writes status; their condition Reached names what is missing.",
		}, []string{"kind"}),
	}
	registerer.MustRegister(m.snapshot, m.guardrails, m.bindings, m.compiled, m.errors, m.problems, m.unreached)
	return m
}

// InForce records the configuration that has come into force. Its id replaces the previous one,
// so that there is one series.
func (m *Configuration) InForce(id string, guardrails, bindings int) {
	m.snapshot.Reset()
	m.snapshot.WithLabelValues(id).Set(1)
	m.guardrails.Set(float64(guardrails))
	m.bindings.Set(float64(bindings))
	m.compiled.SetToCurrentTime()
}

// NotCompiled counts a configuration that could not be compiled.
func (m *Configuration) NotCompiled() { m.errors.Inc() }

// Problems records how many objects of a kind are invalid or partly invalid.
func (m *Configuration) Problems(kind string, n int) {
	m.problems.WithLabelValues(kind).Set(float64(n))
}

// Unreached records how many objects of a kind have a condition Reached that is False.
func (m *Configuration) Unreached(kind string, n int) {
	m.unreached.WithLabelValues(kind).Set(float64(n))
}

// ForgetUnreached removes the series of Unreached: from now on another replica serves them.
func (m *Configuration) ForgetUnreached() { m.unreached.Reset() }
