package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The states of an Exemption.
const (
	stateInForce  = "in_force"
	stateExpiring = "expiring"
	stateExpired  = "expired"
)

// exemptionMetrics are made at each scrape, because they change as time passes. There is
// a series for every Exemption, and no more.
type exemptionMetrics struct {
	compiled func() *outcome
	// counted is nil where this replica counts nothing.
	counted func() *excusesCount
	now     func() time.Time
}

func exemptionExpiry() *prometheus.Desc {
	return prometheus.NewDesc("taffrail_exemption_expiry_timestamp_seconds", "When an Exemption ends.", []string{"exemption"}, nil)
}

func exemptionState() *prometheus.Desc {
	return prometheus.NewDesc("taffrail_exemption_state", "1 for the state of an Exemption: in_force, expiring (within 14 days), expired.",
		[]string{"exemption", "state"}, nil)
}

func exemptionFindings() *prometheus.Desc {
	return prometheus.NewDesc("taffrail_exemption_excused_findings",
		"Findings of the cluster's objects that an Exemption excuses, as the leader counted them last.", []string{"exemption"}, nil)
}

// Describe implements prometheus.Collector.
func (m *exemptionMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{exemptionExpiry(), exemptionState(), exemptionFindings()} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *exemptionMetrics) Collect(to chan<- prometheus.Metric) {
	compiled := m.compiled()
	if compiled == nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, e := range compiled.snapshot.Exemptions() {
		gauge(exemptionExpiry(), float64(e.Until.Unix()), e.Name)
		state := stateInForce
		switch left := e.Until.Sub(m.now()); {
		case left <= 0:
			state = stateExpired
		case left <= expirySoon:
			state = stateExpiring
		}
		gauge(exemptionState(), 1, e.Name, state)
		if last := m.counted(); last != nil && last.snapshot == compiled.snapshot.ID() && last.excuses[e.Name] != nil {
			gauge(exemptionFindings(), float64(last.excuses[e.Name].Findings), e.Name)
		}
	}
}
