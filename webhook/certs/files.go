package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// filesRetry is how often files that are not there yet, or not a pair, are tried.
const filesRetry = time.Second

// Files is a serving certificate that somebody else keeps, read again when its files
// change. A pair that does not load leaves the one before in use.
type Files struct {
	certificate, key string
	log              logr.Logger
	loaded           func(*x509.Certificate)
	watcher          atomic.Pointer[certwatcher.CertWatcher]
}

// NewFiles takes the names of PEM files, which may appear later. loaded is told of every
// certificate when it begins to be served.
func NewFiles(certificate, key string, log logr.Logger, loaded func(*x509.Certificate)) *Files {
	return &Files{certificate: certificate, key: key, log: log, loaded: loaded}
}

// Get is a tls.Config.GetCertificate.
func (c *Files) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if watcher := c.watcher.Load(); watcher != nil {
		return watcher.GetCertificate(hello)
	}
	return nil, errNoPair
}

// Ready is a health check.
func (c *Files) Ready() error {
	if c.watcher.Load() == nil {
		return errNoPair
	}
	return nil
}

// Run loads and watches until ctx ends. certwatcher refuses to start without files, and
// gives up where the file system will not tell of changes; neither is a reason to stop.
func (c *Files) Run(ctx context.Context) error {
	var last string
	for ctx.Err() == nil {
		watcher, err := certwatcher.New(c.certificate, c.key)
		if err == nil {
			watcher.RegisterCallback(func(pair tls.Certificate) { c.loaded(pair.Leaf) })
			c.watcher.Store(watcher)
			err = watcher.Start(ctx)
		}
		// Once for each cause: this is tried every second.
		if err != nil && ctx.Err() == nil && err.Error() != last {
			last = err.Error()
			c.log.Error(err, "The certificate is not being watched, trying again", "certificate", c.certificate, "key", c.key)
		}
		select {
		case <-time.After(filesRetry):
		case <-ctx.Done():
		}
	}
	return nil
}
