package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// authoritiesAge is how long the client CA certificates are cached. Anyone who reaches the port can start any
// number of handshakes, which must not read the file each time.
const authoritiesAge = time.Second

// clients verifies callers in the TLS handshake, so that a caller without a certificate signed by one of the
// CAs in a file learns nothing and costs little. An API server presents a certificate if its
// AdmissionConfiguration has a kubeconfig for webhooks; on EKS it does not.
type clients struct {
	file string
	// names lists the accepted common names; empty accepts all.
	names []string
	log   logr.Logger
	now   func() time.Time

	mutex sync.Mutex
	// authorities holds the CA certificates that were last read successfully. read is the time of the last
	// attempt.
	authorities *x509.CertPool
	read        time.Time
	// The last messages logged. Repeated messages are not logged, because anyone who reaches the port can cause
	// them.
	unreadable, refused latest
}

// newClients reads the file once, so that a wrong file name fails the start.
func newClients(file string, names []string, log logr.Logger, now func() time.Time) (*clients, error) {
	c := &clients{file: file, names: names, log: log, now: now}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("reading the client CA certificates: %w", err)
	}
	return c, nil
}

// NoAuthorityError is returned when a file of CA certificates contains none.
type NoAuthorityError struct{ File string }

func (e *NoAuthorityError) Error() string { return e.File + ": contains no PEM certificate" }

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
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.authorities = pool
	return nil
}

// current returns the CA certificates, and rereads them if the cache is out of date. If the file cannot be
// read, the last ones remain in use.
func (c *clients) current() *x509.CertPool {
	c.mutex.Lock()
	due := c.now().Sub(c.read) >= authoritiesAge
	if due {
		c.read = c.now()
	}
	c.mutex.Unlock()
	if due {
		if err := c.load(); err != nil && c.unreadable.isNews(err.Error()) {
			c.log.Error(err, "Cannot read the client CA certificates, keeping the previous ones")
		}
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.authorities
}

// require makes a server reject the handshakes of all other callers. Probes are rejected too; they use the
// metrics port.
func (c *clients) require(s *http.Server) {
	base := s.TLSConfig
	s.TLSConfig = base.Clone()
	s.TLSConfig.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		config := base.Clone()
		// verify requires the certificate, because it can log why a handshake fails and crypto/tls cannot.
		config.ClientAuth, config.ClientCAs = tls.VerifyClientCertIfGiven, c.current()
		remote := hello.Conn.RemoteAddr()
		config.VerifyConnection = func(state tls.ConnectionState) error {
			err := c.verify(state.VerifiedChains)
			if err != nil && c.refused.isNews(err.Error()) {
				c.log.Info("Rejected a client", "remote", remote.String(), "why", err.Error())
			}
			return err
		}
		return config, nil
	}
}

var errNoClientCertificate = errors.New("it presented no client certificate that --client-ca-file verifies")

// clientNameError is returned when a client's name is not accepted.
type clientNameError struct {
	name  string
	names []string
}

func (e *clientNameError) Error() string {
	return fmt.Sprintf("%q is not in --client-names %s", e.name, strings.Join(e.names, ","))
}

func (c *clients) verify(chains [][]*x509.Certificate) error {
	if len(chains) == 0 {
		return errNoClientCertificate
	}
	if name := chains[0][0].Subject.CommonName; len(c.names) > 0 && !slices.Contains(c.names, name) {
		return &clientNameError{name: name, names: c.names}
	}
	return nil
}

// latest holds the last message of one source.
type latest struct{ text atomic.Pointer[string] }

// isNews reports whether the text differs from the previous one.
func (l *latest) isNews(text string) bool {
	before := l.text.Swap(&text)
	return before == nil || *before != text
}
