package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"taffrail.dev/webhook/certs"
	"taffrail.dev/webhook/metrics"
)

// certificate provides the serving certificate.
type certificate interface {
	// Get is a tls.Config.GetCertificate.
	Get(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Ready is a readiness check.
	Ready() error
	// Run loads and renews the certificate until ctx ends.
	Run(ctx context.Context) error
}

// newCertificate expects completed Options.
func newCertificate(o Options, expiry *metrics.Certificate) (certificate, error) {
	log := o.Log.WithName("certificate")
	loaded := func(c *x509.Certificate) {
		expiry.Expires(c.NotAfter)
		log.Info("Serving a certificate", "expires", c.NotAfter, "names", c.DNSNames, "serial", c.SerialNumber.String())
	}
	if o.Certificate == nil {
		return certs.NewFiles(o.CertFile, o.KeyFile, log, loaded), nil
	}
	rotator, err := certs.NewRotator(o.Config, *o.Certificate, log, loaded)
	if err != nil {
		return nil, fmt.Errorf("rotating the certificate: %w", err)
	}
	return rotator, nil
}
