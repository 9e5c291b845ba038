package metrics

import "github.com/prometheus/client_golang/prometheus"

// Events counts the Kubernetes Events about violations. It implements events.Counter.
type Events struct{ written, failed, summarized prometheus.Counter }

// NewEvents returns registered counters.
func NewEvents(registerer prometheus.Registerer) *Events {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "taffrail_events_total",
		Help: "Violations for Kubernetes Events: written, failed, or summarized in an Event about their namespace.",
	}, []string{"result"})
	registerer.MustRegister(total)
	return &Events{total.WithLabelValues("written"), total.WithLabelValues("failed"), total.WithLabelValues("summarized")}
}

// Written counts an Event that was written.
func (m *Events) Written() { m.written.Inc() }

// Failed counts an Event that was not written.
func (m *Events) Failed() { m.failed.Inc() }

// Summarized counts an object that has no Event of its own.
func (m *Events) Summarized() { m.summarized.Inc() }
