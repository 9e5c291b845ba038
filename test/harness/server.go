package harness

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ServerOptions configures a Server.
type ServerOptions struct {
	// Name identifies the server in logs.
	Name string
	// MaxMode is the value of --max-mode; empty means none.
	MaxMode string
	// DrainDelay is how long a server keeps deciding after the signal to stop. It may be short here, because
	// there is no Service whose endpoints need time.
	DrainDelay time.Duration
	// WouldDenyInterval is the time between two updates of the counts in the status of Guardrails. It defaults
	// to a second.
	WouldDenyInterval time.Duration
	// TLSSecret is the name of a Secret in which the server manages its certificate, for a Service and webhook
	// configurations of the same name. If empty, files are used.
	TLSSecret string
	// Clients lists the common names of accepted client certificates signed by Authority. If empty, anyone may
	// call.
	Clients []string
	// MaxInFlightBytes limits the bodies of requests. It defaults to the server's default.
	MaxInFlightBytes int64
	// Events makes the server write Events.
	Events bool
}

// Server is a process of `taffrail serve`. After Stop or Kill it can be started again, and then listens at the
// same address.
type Server struct {
	options       ServerOptions
	harness       *Harness
	port, metrics int
	// dir holds the serving certificate.
	dir     string
	process *process
}

// NewServer starts Taffrail and waits until it is ready.
func (h *Harness) NewServer(ctx context.Context, o ServerOptions) (*Server, error) {
	s := &Server{options: o, harness: h, dir: h.path("server-" + o.Name)}
	var err error
	if s.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	if s.metrics, err = freePort(ctx); err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "kubeconfig"), h.taffrail.Kubeconfig, 0o600); err != nil {
		return nil, err
	}
	if err := s.NewCertificate(); err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// Start starts the process, and returns when it is ready.
func (s *Server) Start(ctx context.Context) error {
	args := []string{
		"serve",
		"--kubeconfig=" + filepath.Join(s.dir, "kubeconfig"),
		"--bind-address=" + address(s.port),
		"--metrics-bind-address=" + address(s.metrics),
		"--drain-delay=" + s.options.DrainDelay.String(),
		"--exemption-usage-interval=2s",
		"--would-deny-interval=" + cmp.Or(s.options.WouldDenyInterval, time.Second).String(),
		// Of several servers, the one that started first writes status.
		"--leader-elect", "--namespace=" + SystemNamespace,
	}
	if name := s.options.TLSSecret; name != "" {
		args = append(args, "--tls-secret="+name, "--service-name="+name, "--webhook-configuration="+name)
	} else {
		args = append(args, "--webhook-url=https://"+s.Address())
		args = append(args, "--tls-cert-file="+filepath.Join(s.dir, "tls.crt"), "--tls-private-key-file="+filepath.Join(s.dir, "tls.key"))
	}
	if len(s.options.Clients) > 0 {
		authority := filepath.Join(s.dir, "clients.crt")
		if err := os.WriteFile(authority, s.harness.Authority.PEM, 0o600); err != nil {
			return err
		}
		args = append(args, "--client-ca-file="+authority, "--client-names="+strings.Join(s.options.Clients, ","))
	}
	if n := s.options.MaxInFlightBytes; n > 0 {
		args = append(args, fmt.Sprintf("--max-in-flight-bytes=%d", n))
	}
	if s.options.Events {
		args = append(args, "--events")
	}
	if s.options.MaxMode != "" {
		args = append(args, "--max-mode="+s.options.MaxMode)
	}
	var err error
	if s.process, err = s.harness.run(ctx, "taffrail-"+s.options.Name, s.harness.Binary, args...); err != nil {
		return err
	}
	return s.process.await(ctx, s.Ready)
}

// Stop asks the server to end, and waits until it has answered its requests. An exit code other than 0 is an
// error.
func (s *Server) Stop() error {
	if err := s.process.stop(); err != nil {
		return err
	}
	if s.process.err != nil {
		return fmt.Errorf("%s: %w\n%s", s.process.name, s.process.err, tail(s.process.logFile, 30))
	}
	return nil
}

// Kill ends the server immediately, as a crash would.
func (s *Server) Kill() error { return s.process.kill() }

// Address returns the host and port of the webhook.
func (s *Server) Address() string { return address(s.port) }

// MetricsAddress returns the host and port of metrics, and of probes in plain HTTP.
func (s *Server) MetricsAddress() string { return address(s.metrics) }

// Ready checks /readyz once, as the kubelet would: over TLS, or at the plain port if the server accepts only
// the API server's client certificate.
func (s *Server) Ready(ctx context.Context) error {
	if len(s.options.Clients) > 0 {
		return s.ReadyPlain(ctx)
	}
	asking := &http.Client{Transport: &http.Transport{TLSClientConfig: s.trust(), DisableKeepAlives: true}}
	return ask(ctx, asking, "https://"+s.Address()+"/readyz")
}

// ReadyPlain checks /readyz once at the plain port.
func (s *Server) ReadyPlain(ctx context.Context) error {
	asking := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return ask(ctx, asking, "http://"+s.MetricsAddress()+"/readyz")
}

// Metrics reads /metrics.
func (s *Server) Metrics(ctx context.Context) (string, error) {
	return read(ctx, http.DefaultClient, "http://"+address(s.metrics)+"/metrics")
}

// NewCertificate replaces the files of the serving certificate.
func (s *Server) NewCertificate() error { return s.harness.Authority.IssueInto(s.dir) }

// Serial returns the serial number of the certificate that a new connection gets.
func (s *Server) Serial(ctx context.Context) (*big.Int, error) {
	dialer := &tls.Dialer{Config: s.trust()}
	connection, err := dialer.DialContext(ctx, "tcp", s.Address())
	if err != nil {
		return nil, err
	}
	defer connection.Close() //nolint:errcheck // nothing was written
	secured, ok := connection.(*tls.Conn)
	if !ok {
		return nil, errors.New("not a TLS connection")
	}
	return secured.ConnectionState().PeerCertificates[0].SerialNumber, nil
}

func (s *Server) trust() *tls.Config {
	if s.options.TLSSecret != "" {
		// Like the kubelet, which does not verify the certificate. Whether the API server trusts it is checked
		// elsewhere.
		return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} //nolint:gosec // our own process, on this machine
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.harness.Authority.PEM)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
}

// ask requires 200 OK.
func ask(ctx context.Context, asking *http.Client, url string) error {
	_, err := read(ctx, asking, url)
	return err
}

func read(ctx context.Context, asking *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := asking.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, strings.TrimSpace(string(body)))
	}
	return string(body), err
}
