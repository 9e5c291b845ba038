package server

import (
	"context"
	"crypto/tls"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	"taffrail.dev/webhook/admission"
)

// certificateRetry is how often files that are not there yet, or not a pair, are tried.
const certificateRetry = time.Second

var errNoCertificate = errors.New("no certificate loaded yet")

// certificate is the serving certificate, read again when its files change. A pair that
// does not load leaves the one before in use.
type certificate struct {
	certFile, keyFile string
	metrics           *admission.Metrics
	log               logr.Logger
	watcher           atomic.Pointer[certwatcher.CertWatcher]
}

// get is a tls.Config.GetCertificate.
func (c *certificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if watcher := c.watcher.Load(); watcher != nil {
		return watcher.GetCertificate(hello)
	}
	return nil, errNoCertificate
}

// ready is a health check.
func (c *certificate) ready() error {
	if c.watcher.Load() == nil {
		return errNoCertificate
	}
	return nil
}

// run loads and watches until ctx ends. certwatcher refuses to start without files, and
// gives up where the file system will not tell of changes; neither is a reason to stop.
func (c *certificate) run(ctx context.Context) error {
	var last string
	for ctx.Err() == nil {
		watcher, err := certwatcher.New(c.certFile, c.keyFile)
		if err == nil {
			watcher.RegisterCallback(c.loaded)
			c.watcher.Store(watcher)
			err = watcher.Start(ctx)
		}
		// Once for each cause: this is tried every second.
		if err != nil && ctx.Err() == nil && err.Error() != last {
			last = err.Error()
			c.log.Error(err, "The certificate is not being watched, trying again", "cert", c.certFile, "key", c.keyFile)
		}
		sleep(ctx, certificateRetry)
	}
	return nil
}

func (c *certificate) loaded(pair tls.Certificate) {
	if pair.Leaf == nil {
		return
	}
	c.metrics.Certificate(pair.Leaf.NotAfter)
	c.log.Info("Certificate loaded", "expires", pair.Leaf.NotAfter, "names", pair.Leaf.DNSNames, "serial", pair.Leaf.SerialNumber.String())
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
