package metrics

import (
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestEvictionsCountFromZero(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewConnections(registry)
	m.Evicted("webhook")
	m.Evicted("metrics").Inc()
	got := counted(t, registry, "taffrail_connections_evicted_total", "port")
	if !maps.Equal(got, map[string]float64{"webhook": 0, "metrics": 1}) {
		t.Errorf("got %v", got)
	}
}
