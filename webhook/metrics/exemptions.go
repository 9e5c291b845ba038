package metrics

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

// ExpiresSoon is how long before its end an Exemption counts as expiring.
const ExpiresSoon = 14 * 24 * time.Hour

// Exemption is what is served about one Exemption.
type Exemption struct {
	Name string
	// Until is when it ends.
	Until time.Time
	// Excused is how many findings it exempts, nil if this replica has not counted them.
	Excused *int64
}

// Exemptions is collected at each scrape, because the state of an Exemption changes as time
// passes. There is a series for every Exemption, and no more.
type Exemptions struct {
	list                   func() []Exemption
	now                    func() time.Time
	expiry, state, excused *prometheus.Desc
}

// NewExemptions returns a collector of the Exemptions that list returns.
func NewExemptions(registerer prometheus.Registerer, list func() []Exemption, now func() time.Time) *Exemptions {
	m := &Exemptions{
		list: list, now: now,
		expiry: prometheus.NewDesc("taffrail_exemption_expiry_timestamp_seconds", "When an Exemption ends.", []string{"exemption"}, nil),
		state: prometheus.NewDesc("taffrail_exemption_state", "1 for the state of an Exemption: in_force, expiring (within 14 days), expired.",
			[]string{"exemption", "state"}, nil),
		excused: prometheus.NewDesc("taffrail_exemption_excused_findings",
			"Findings of the cluster's objects that an Exemption exempts, as the leader counted them last.", []string{"exemption"}, nil),
	}
	registerer.MustRegister(m)
	return m
}

// Describe implements prometheus.Collector.
func (m *Exemptions) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{m.expiry, m.state, m.excused} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *Exemptions) Collect(to chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	now := m.now()
	for _, e := range m.list() {
		gauge(m.expiry, float64(e.Until.Unix()), e.Name)
		gauge(m.state, 1, e.Name, stateOf(e.Until.Sub(now)))
		if e.Excused != nil {
			gauge(m.excused, float64(*e.Excused), e.Name)
		}
	}
}

func stateOf(left time.Duration) string {
	switch {
	case left <= 0:
		return stateExpired
	case left <= ExpiresSoon:
		return stateExpiring
	}
	return stateInForce
}
