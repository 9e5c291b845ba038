package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-logr/logr"
)

// clients says who may ask for decisions: whoever shows a certificate that an authority
// in a file has signed. An API server shows one where its AdmissionConfiguration has a
// kubeconfig for webhooks; that of EKS does not.
type clients struct {
	file string
	// names are the common names that are let in; all if empty.
	names []string
	log   logr.Logger
	// last are the authorities that the file held when it could be read.
	last atomic.Pointer[x509.CertPool]
	// What was logged last: anybody who reaches the port can bring about more.
	unreadable, refused latest
}

// NoAuthorityError is a file that should hold certificates and holds none.
type NoAuthorityError struct{ File string }

func (e *NoAuthorityError) Error() string { return e.File + ": no certificate in PEM in it" }

// load reads the file.
func (c *clients) load() error {
	text, err := os.ReadFile(c.file)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return &NoAuthorityError{File: c.file}
	}
	c.last.Store(pool)
	return nil
}

// handshakes makes a server ask for certificates. None has to be shown, or the kubelet's
// probes would fail; one that is shown has to be good. The file is read at each handshake,
// and those are few: the API server keeps its connections.
func (c *clients) handshakes(s *http.Server) {
	base := s.TLSConfig
	s.TLSConfig = base.Clone()
	s.TLSConfig.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if err := c.load(); err != nil && c.unreadable.isNews(err.Error()) {
			c.log.Error(err, "The authorities of clients cannot be read, going on with those before")
		}
		config := base.Clone()
		config.ClientAuth, config.ClientCAs = tls.VerifyClientCertIfGiven, c.last.Load()
		return config, nil
	}
}

// only lets through who has shown a certificate.
func (c *clients) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			c.refuse(w, r, http.StatusUnauthorized, "show a client certificate that --client-ca-file verifies")
			return
		}
		if name := r.TLS.VerifiedChains[0][0].Subject.CommonName; len(c.names) > 0 && !slices.Contains(c.names, name) {
			c.refuse(w, r, http.StatusForbidden, fmt.Sprintf("%q is none of --client-names %s", name, strings.Join(c.names, ",")))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers with an error and never with a verdict, so that failurePolicy decides
// where it is the API server that is turned away.
func (c *clients) refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	if c.refused.isNews(why) {
		c.log.Info("Turned a client away", "remote", r.RemoteAddr, "path", r.URL.Path, "why", why)
	}
	writeText(w, status, why+"\n")
}

// latest is what one source has said last.
type latest struct{ text atomic.Pointer[string] }

// isNews tells whether it said something else before.
func (l *latest) isNews(text string) bool {
	before := l.text.Swap(&text)
	return before == nil || *before != text
}
