package metrics

import "github.com/prometheus/client_golang/prometheus"

// Connections counts connections that were closed to make room for others.
type Connections struct{ evicted *prometheus.CounterVec }

// NewConnections returns the metric of connections.
func NewConnections(registerer prometheus.Registerer) *Connections {
	m := &Connections{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "taffrail_connections_evicted_total",
		Help: "Connections closed to make room for others, by port (webhook, metrics).",
	}, []string{"port"})}
	registerer.MustRegister(m.evicted)
	return m
}

// Evicted returns the counter of a port, which counts from zero: an alert would not see a series
// that begins with its first eviction.
func (m *Connections) Evicted(port string) prometheus.Counter { return m.evicted.WithLabelValues(port) }
