package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	// writeTimeout exceeds the longest timeout of a webhook, which is 30 s.
	writeTimeout = 40 * time.Second
	// idleTimeout is longer than the API server keeps an idle connection (90 s): the client has to be the side
	// that closes it. A request that is sent while the server closes the connection is lost, and the API server
	// does not retry it.
	idleTimeout = 3 * time.Minute
	// maxHeaderBytes is ten times what the API server sends, which leaves room for a token. It limits the cost
	// of a connection before its first decision.
	maxHeaderBytes = 8 << 10

	// connectionsPerSlot is the number of connections per request that may be decided concurrently. Four of the
	// five may be in use: two whose bodies arrive, one that waits for a slot and one that has it.
	connectionsPerSlot = 5
	// maxMetricsConnections limits the connections of probes and scrapers.
	maxMetricsConnections = 512
)

// newHTTPServer returns an HTTP/1.1 server with all timeouts set. The options apply in order: withTLS, then
// *clients.require, and *connections.serve.
func newHTTPServer(handler http.Handler, log logr.Logger, options ...func(*http.Server)) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	s := &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// net/http logs the failed handshakes of port scanners and probes, which are not worth more than -v1.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(log.V(1)), slog.LevelInfo),
	}
	for _, option := range options {
		option(s)
	}
	return s
}

// withTLS requires TLS 1.3, which every API server that Taffrail supports has.
func withTLS(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) func(*http.Server) {
	return func(s *http.Server) {
		s.TLSConfig = &tls.Config{
			MinVersion: tls.VersionTLS13, GetCertificate: get,
			// The API server does not resume sessions, and issuing a ticket takes as long as a signature.
			SessionTicketsDisabled: true,
		}
	}
}

// drainer is the part of the admission handler that stops it.
type drainer interface {
	Drain()
	Stop()
}

// front is the HTTPS server that the API server calls. It defines the order of a shutdown.
type front struct {
	server     *http.Server
	listener   net.Listener
	health     *health
	admission  drainer
	drainDelay time.Duration
	grace      time.Duration
	log        logr.Logger
}

// run serves until ctx ends, then drains without losing a request. The Pod remains an endpoint of its Service
// for a while, so run first fails the readiness probe and keeps serving for drainDelay, then rejects new
// requests, then waits for those in flight.
func (f *front) run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- f.server.ServeTLS(f.listener, "", "") }()
	select {
	case err := <-served:
		return fmt.Errorf("serving on %s: %w", f.listener.Addr(), err)
	case <-ctx.Done():
	}
	f.health.stopping.Store(true)
	f.admission.Drain()
	f.log.Info("Stopping: no longer ready, still deciding requests", "for", f.drainDelay.String())
	select {
	case err := <-served:
		return fmt.Errorf("serving on %s: %w", f.listener.Addr(), err)
	case <-time.After(f.drainDelay):
	}
	f.admission.Stop()
	return shutdown(ctx, f.server, f.grace)
}

// shutdown waits for requests in flight, and ends them after grace.
func shutdown(ctx context.Context, s *http.Server, grace time.Duration) error {
	// ctx has already ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off after %v: %w", grace, err), s.Close())
	}
	return nil
}

// metricsHandler serves metrics and health checks.
func metricsHandler(gatherer prometheus.Gatherer, h *health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(prometheus.GathererFunc(inTurn(gatherer.Gather)), promhttp.HandlerOpts{EnableOpenMetrics: true}))
	h.register(mux)
	return mux
}

// inTurn makes gather run for one caller at a time, so that excessive scraping uses at most one processor.
func inTurn[T any](gather func() (T, error)) func() (T, error) {
	var mutex sync.Mutex
	return func() (T, error) {
		mutex.Lock()
		defer mutex.Unlock()
		return gather()
	}
}

// serveMetrics serves until ctx ends.
func serveMetrics(ctx context.Context, listener *connections, handler http.Handler, log logr.Logger) error {
	server := newHTTPServer(handler, log, listener.serve)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving metrics on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
		return shutdown(ctx, server, time.Second)
	}
}
