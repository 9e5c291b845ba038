package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/discovery"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/facts"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/reach"
	"taffrail.dev/webhook/rego"
)

// Run serves until ctx ends and everything in flight is answered. It returns nil after
// a clean stop.
func Run(ctx context.Context, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	catalog, err := rego.Load(o.Library)
	if err != nil {
		return fmt.Errorf("loading the policies: %w", err)
	}
	asking, err := discovery.NewDiscoveryClientForConfig(o.Config)
	if err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	served := &servedResources{discovery: asking, now: time.Now}
	watches := &informers{log: o.Log.WithName("informers")}
	watched, err := newCluster(o.Config, o.WebhookConfiguration, servedMapper{newMapper(), served}, watches.failed, o.Log.WithName("cluster"))
	if err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := admission.NewMetrics(registry)

	reaching := &reachability{
		name: o.WebhookConfiguration, here: reach.Installation{Namespace: o.Namespace, Service: o.Service, URL: o.WebhookURL},
		cached: watched.GetCache(), live: watched.GetAPIReader(), served: served, log: o.Log.WithName("reach"),
	}
	status := newStatusWriter()
	status.reaching, status.metric = reaching, newReachedMetric(registry)
	status.client, status.log = watched.GetClient(), o.Log.WithName("status")
	compiling := newCompiler()
	compiling.reader, compiling.metrics, compiling.log = watched.GetCache(), metrics, o.Log.WithName("config")
	builder := config.NewBuilder(catalog)
	compiling.build = builder.Build
	status.last = compiling.last.Load
	known := facts.New(watched.GetCache(), watched.GetAPIReader(), facts.Options{})
	excuses := newExcuseCounter()
	excuses.scanner = &audit.Scanner{Reader: watched.GetAPIReader(), Facts: known}
	excuses.mapper, excuses.interval, excuses.compiled = watched.GetRESTMapper(), o.ExcusesInterval, compiling.last.Load
	excuses.told, excuses.log = status.kick, o.Log.WithName("excuses")
	status.excuses = excuses.of
	compiling.told = func() {
		status.kick()
		excuses.kick()
	}
	failing := newFailures()
	failing.client, failing.log = watched.GetClient(), o.Log.WithName("failures")
	registry.MustRegister(&exemptionMetrics{compiled: compiling.last.Load, counted: excuses.last.Load, now: time.Now})
	status.namespaces = known.Namespaces
	live := facts.NewLive(watched.GetAPIReader())
	compiling.decider = func(snapshot *config.Snapshot) admission.Decider {
		return pipeline.New(snapshot, known, pipeline.Options{
			MaxMode: o.MaxMode, Live: live, Pods: live, Webhooks: reaching, Templates: live, Fresh: facts.NewFresh(watched.GetAPIReader()),
		})
	}
	status.maxMode, status.live, status.clock = o.MaxMode, live, facts.NewClock(watched.GetClient())
	counting := newTally(registry, time.Now)
	tallies := &tallyWriter{
		tally: counting, compiled: compiling.last.Load, cached: watched.GetCache(), live: watched.GetAPIReader(), writer: watched.GetClient(),
		interval: o.WouldDenyInterval, log: o.Log.WithName("tally"),
	}

	serving, err := newCertificate(o, metrics)
	if err != nil {
		return err
	}
	probes := &health{checks: []check{{"certificate", serving.Ready}, {"informers", watches.ready}, {"configuration", compiling.ready}}}
	rights := facts.NewRights(watched.GetClient())
	handler := admission.New(admission.Options{
		Current:          compiling.Current,
		Failed:           failing.note,
		Relaxers:         rights,
		Exempters:        rights,
		Config:           pipeline.NewChecker(catalog, &storedConfig{live: watched.GetAPIReader(), facts: known}, nil),
		Admitted:         counting.admitted,
		MaxInFlight:      o.MaxInFlight,
		MaxInFlightBytes: o.MaxInFlightBytes,
		Metrics:          metrics,
		Log:              o.Log.WithName("admission"),
	})
	mux := http.NewServeMux()
	probes.register(mux)
	handler.Register(mux)
	secured := withTLS(newHTTPServer(mux, o.Log.WithName("http")), serving.Get)
	if o.ClientCAFile != "" {
		known := &clients{file: o.ClientCAFile, names: o.ClientNames, log: o.Log.WithName("clients"), now: time.Now}
		if err := known.load(); err != nil {
			return fmt.Errorf("reading the authorities of clients: %w", err)
		}
		known.require(secured)
	}

	listener, metricsListener, err := listen(ctx, o)
	if err != nil {
		return err
	}
	evicted := newEvictions(registry)
	most := connectionsPerSlot * o.MaxInFlight
	if files, known := maxFiles(); known {
		wanted := most
		if most = affordable(wanted, maxMetricsConnections, files); most < wanted {
			o.Log.Info("The limit of open files allows fewer connections than MaxInFlight requests may need", "connections", most, "wanted", wanted, "files", files)
		}
	}
	calls := newConnections(listener, most, evicted.of("webhook"))
	calls.serve(secured)
	https := &front{
		server:     secured,
		listener:   calls,
		health:     probes,
		admission:  handler,
		drainDelay: o.DrainDelay,
		grace:      o.ShutdownGrace,
		log:        o.Log,
	}

	// What answers are made from outlives ctx: requests are decided while draining.
	background, stop := context.WithCancel(logr.NewContext(context.WithoutCancel(ctx), o.Log))
	defer stop()
	group, background := errgroup.WithContext(background)
	group.Go(func() error { return watched.Start(background) })
	group.Go(func() error { return serving.Run(background) })
	group.Go(func() error {
		watches.start(background, watched.GetCache(), compiling.events(), status.events())
		status.watchNamespaces(background, watched.GetCache())
		reaching.watch(background, watched.GetCache(), status.kick)
		compiling.kick() // There may be no Guardrail, and so no event.
		compiling.run(background)
		return nil
	})
	group.Go(func() error {
		failing.run(background)
		return nil
	})
	group.Go(func() error {
		leading := func(ctx context.Context) {
			var both sync.WaitGroup
			both.Go(func() { status.run(ctx) })
			both.Go(func() { excuses.run(ctx) })
			both.Wait()
		}
		if o.LeaderElect {
			return lead(background, o.Config, o.Namespace, o.Log.WithName("leader"), leading)
		}
		leading(background)
		return nil
	})
	group.Go(func() error {
		tallies.run(background)
		return nil
	})
	if metricsListener != nil {
		group.Go(func() error {
			limited := newConnections(metricsListener, maxMetricsConnections, evicted.of("metrics"))
			return serveMetrics(background, limited, metricsHandler(registry, probes), o.Log.WithName("metrics"))
		})
	}
	ceiling := "none"
	if o.MaxMode != 0 {
		ceiling = o.MaxMode.String()
	}
	o.Log.Info("Serving", "address", listener.Addr().String(), "maxMode", ceiling, "apiServer", o.Config.Host)

	// Whatever ends, in here or outside, ends by draining.
	until, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(background, end)()
	err = https.run(until)
	stop()
	return errors.Join(err, group.Wait())
}

// listen takes both addresses before anything starts, so that one in use is told at once.
func listen(ctx context.Context, o Options) (https, metrics net.Listener, err error) {
	var listening net.ListenConfig
	if https = o.Listener; https == nil {
		if https, err = listening.Listen(ctx, "tcp", o.BindAddress); err != nil {
			return nil, nil, err
		}
	}
	if metrics = o.MetricsListener; metrics == nil && o.MetricsBindAddress != "0" {
		if metrics, err = listening.Listen(ctx, "tcp", o.MetricsBindAddress); err != nil {
			return nil, nil, errors.Join(err, https.Close())
		}
	}
	return https, metrics, nil
}
