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

// authoritiesAge is how old the authorities that were read may be: anybody who reaches the port can
// begin handshakes without end, and must not make each of them read a file.
const authoritiesAge = time.Second

// clients verifies callers at the handshake: a caller without a certificate that an authority in
// a file has signed gets no further, and so learns and costs nothing. An API server presents one
// if its AdmissionConfiguration has a kubeconfig for webhooks; that of EKS does not.
type clients struct {
	file string
	// names are the common names that are let in; all if empty.
	names []string
	log   logr.Logger
	now   func() time.Time

	mutex sync.Mutex
	// authorities are those that the file held when it could be read, at the time read.
	authorities *x509.CertPool
	read        time.Time
	// The last messages logged. Repetitions are not logged, because anybody who reaches the port can
	// cause them.
	unreadable, refused latest
}

// newClients reads the file once, so that a mistake in its name ends the start.
func newClients(file string, names []string, log logr.Logger, now func() time.Time) (*clients, error) {
	c := &clients{file: file, names: names, log: log, now: now}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("reading the client CA certificates: %w", err)
	}
	return c, nil
}

// NoAuthorityError is returned for a file that should hold certificates and holds none.
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

// current returns the authorities, and reads them again when they may be out of date. What
// cannot be read leaves the last ones in use.
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

// require makes a server refuse the handshakes of all others. Probes too are refused on its
// port: they ask at the one for metrics.
func (c *clients) require(s *http.Server) {
	base := s.TLSConfig
	s.TLSConfig = base.Clone()
	s.TLSConfig.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		config := base.Clone()
		// A certificate is not required here but in verify, which can say so in the log.
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

// clientNameError names who is not let in.
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

// latest is the last message of one source.
type latest struct{ text atomic.Pointer[string] }

// isNews reports whether the text differs from the previous one.
func (l *latest) isNews(text string) bool {
	before := l.text.Swap(&text)
	return before == nil || *before != text
}
