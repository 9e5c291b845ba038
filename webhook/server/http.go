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
	// writeTimeout covers the longest timeout that a webhook may have, 30 s.
	writeTimeout = 40 * time.Second
	// idleTimeout is longer than the API server keeps an idle connection (90 s): the
	// side that sends must be the one that hangs up. A request that meets a closing
	// connection is lost, and the API server does not send it again.
	idleTimeout = 3 * time.Minute
	// maxHeaderBytes is ten times what the API server sends, and room for a token: what a
	// connection may cost before it has had a decision.
	maxHeaderBytes = 8 << 10

	// connectionsPerSlot is how many connections there may be for each request that is
	// decided at once. Of those five, four may be worked on: two whose bodies arrive, one
	// that waits for a slot and one that has it.
	connectionsPerSlot = 5
	// maxMetricsConnections is for probes and scrapers.
	maxMetricsConnections = 512
)

// newHTTPServer returns a server of HTTP/1.1 alone, with every timeout set. The options apply in
// order: withTLS, then *clients.require, and *connections.serve.
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
		// net/http logs the failed handshakes of port scanners and probes.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(log.V(1)), slog.LevelInfo),
	}
	for _, option := range options {
		option(s)
	}
	return s
}

// withTLS adds TLS 1.3: every API server that Taffrail supports speaks it.
func withTLS(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) func(*http.Server) {
	return func(s *http.Server) {
		s.TLSConfig = &tls.Config{
			MinVersion: tls.VersionTLS13, GetCertificate: get,
			// The API server does not resume sessions, and tickets cost a signature's worth of time.
			SessionTicketsDisabled: true,
		}
	}
}

// drainer is the admission handler, as stopping it goes.
type drainer interface {
	Drain()
	Stop()
}

// front is the HTTPS server that the API server calls, and the order in which it ends.
type front struct {
	server     *http.Server
	listener   net.Listener
	health     *health
	admission  drainer
	drainDelay time.Duration
	grace      time.Duration
	log        logr.Logger
}

// run serves until ctx ends, then drains without losing a request. The Pod remains an endpoint of
// its Service for a while, so run first fails the readiness probe and keeps serving for drainDelay,
// then rejects new requests, then waits for those in flight.
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

// shutdown waits for requests in flight, and cuts them off after grace.
func shutdown(ctx context.Context, s *http.Server, grace time.Duration) error {
	// ctx has already ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off after %v: %w", grace, err), s.Close())
	}
	return nil
}

// metricsHandler serves what a scraper and a probe ask for.
func metricsHandler(gatherer prometheus.Gatherer, h *health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(prometheus.GathererFunc(inTurn(gatherer.Gather)), promhttp.HandlerOpts{EnableOpenMetrics: true}))
	h.register(mux)
	return mux
}

// inTurn calls gather for one caller at a time, so that scraping without end takes no more
// than one processor.
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
