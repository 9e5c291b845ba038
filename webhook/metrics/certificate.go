package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Certificate describes the serving certificate.
type Certificate struct{ expiry prometheus.Gauge }

// NewCertificate returns the metric of the serving certificate.
func NewCertificate(registerer prometheus.Registerer) *Certificate {
	m := &Certificate{prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "taffrail_certificate_expiry_timestamp_seconds", Help: "When the serving certificate expires.",
	})}
	registerer.MustRegister(m.expiry)
	return m
}

// Expires records when the certificate in use expires.
func (m *Certificate) Expires(at time.Time) { m.expiry.Set(float64(at.Unix())) }
