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

// filesRetry is the time between two attempts to load files that are missing or are not a pair.
const filesRetry = time.Second

// Files is a serving certificate that something else manages. It is loaded again whenever its
// files change; if a new pair does not load, the previous one stays in use.
type Files struct {
	certificate, key string
	log              logr.Logger
	onLoad           func(*x509.Certificate)
	watcher          atomic.Pointer[certwatcher.CertWatcher]
}

// NewFiles returns Files for the given paths of PEM files, which need not exist yet. onLoad is
// called with every certificate as it begins to be served.
func NewFiles(certificate, key string, log logr.Logger, onLoad func(*x509.Certificate)) *Files {
	return &Files{certificate: certificate, key: key, log: log, onLoad: onLoad}
}

// Get implements tls.Config.GetCertificate.
func (c *Files) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if watcher := c.watcher.Load(); watcher != nil {
		return watcher.GetCertificate(hello)
	}
	return nil, errNoPair
}

// Ready returns an error until a certificate is loaded.
func (c *Files) Ready() error {
	if c.watcher.Load() == nil {
		return errNoPair
	}
	return nil
}

// Run loads and watches the files until ctx ends. It starts certwatcher again whenever that
// returns: certwatcher refuses to start without files and gives up if the file system does not
// report changes, and neither is a reason to stop serving.
func (c *Files) Run(ctx context.Context) error {
	var last string
	for ctx.Err() == nil {
		watcher, err := certwatcher.New(c.certificate, c.key)
		if err == nil {
			watcher.RegisterCallback(func(pair tls.Certificate) { c.onLoad(pair.Leaf) })
			c.watcher.Store(watcher)
			err = watcher.Start(ctx)
		}
		// Log each cause only once: this loop runs every second.
		if err != nil && ctx.Err() == nil && err.Error() != last {
			last = err.Error()
			c.log.Error(err, "Cannot watch the certificate files, retrying", "certificate", c.certificate, "key", c.key)
		}
		select {
		case <-time.After(filesRetry):
		case <-ctx.Done():
		}
	}
	return nil
}
