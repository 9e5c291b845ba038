package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/controller"
	"taffrail.dev/webhook/events"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/reach"
	"taffrail.dev/webhook/rego"
)

// Run serves until ctx ends and all requests in flight are answered. It returns nil after a clean stop.
func Run(ctx context.Context, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	controllers, err := newControllers(o, registry)
	if err != nil {
		return err
	}
	serving, err := newCertificate(o, metrics.NewCertificate(registry))
	if err != nil {
		return err
	}
	probes := &health{checks: []check{
		{"certificate", serving.Ready}, {"informers", controllers.InformersReady}, {"configuration", controllers.ConfigurationReady},
	}}
	observers := append(controllers.Observers(), metrics.NewRequests(registry))
	var written *events.Writer
	if o.Events {
		if written, err = newEvents(o.Config, "taffrail.dev/admission", registry, o.Log); err != nil {
			return err
		}
		observers = append(observers, &events.Observer{Writer: written, OwnerLabels: o.OwnerLabels})
	}
	handler := newHandler(o, controllers, observers)
	mux := http.NewServeMux()
	probes.register(mux)
	handler.Register(mux)
	layers := []func(*http.Server){withTLS(serving.Get)}
	if o.ClientCAFile != "" {
		known, err := newClients(o.ClientCAFile, o.ClientNames, o.Log.WithName("clients"), time.Now)
		if err != nil {
			return err
		}
		layers = append(layers, known.require)
	}
	listener, metricsListener, err := listen(ctx, o)
	if err != nil {
		return err
	}
	evicted := metrics.NewConnections(registry)
	calls := newConnections(listener, maxConnections(o), evicted.Evicted("webhook"))
	https := &front{
		server:     newHTTPServer(mux, o.Log.WithName("http"), append(layers, calls.serve)...),
		listener:   calls,
		health:     probes,
		admission:  handler,
		drainDelay: o.DrainDelay,
		grace:      o.ShutdownGrace,
		log:        o.Log,
	}

	// Everything that decisions depend on outlives ctx, because requests are decided while draining.
	background, stop := context.WithCancel(logr.NewContext(context.WithoutCancel(ctx), o.Log))
	defer stop()
	group, background := errgroup.WithContext(background)
	group.Go(func() error { return controllers.Run(background) })
	group.Go(func() error { return serving.Run(background) })
	if written != nil {
		group.Go(func() error { written.Run(background); return nil })
	}
	if metricsListener != nil {
		group.Go(func() error {
			limited := newConnections(metricsListener, maxMetricsConnections, evicted.Evicted("metrics"))
			return serveMetrics(background, limited, metricsHandler(registry, probes), o.Log.WithName("metrics"))
		})
	}
	maxMode := "none"
	if o.MaxMode != 0 {
		maxMode = o.MaxMode.String()
	}
	o.Log.Info("Serving", "address", listener.Addr().String(), "maxMode", maxMode, "engine", string(o.Engine), "compare", o.Compare, "apiServer", o.Config.Host)

	// Whatever stops the server, it drains first.
	until, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(background, end)()
	err = https.run(until)
	stop()
	return errors.Join(err, group.Wait())
}

// newControllers expects completed Options, as the functions below do.
func newControllers(o Options, registry *prometheus.Registry) (*controller.Controllers, error) {
	catalog, err := rego.Load(o.Library)
	if err != nil {
		return nil, fmt.Errorf("loading the policies: %w", err)
	}
	return controller.New(controller.Options{
		Config: o.Config, Catalog: catalog.WithEngine(o.Engine), Compare: o.Compare, WebhookConfiguration: o.WebhookConfiguration,
		Here:    reach.Installation{Namespace: o.Namespace, Service: o.Service, URL: o.WebhookURL},
		MaxMode: o.MaxMode, LeaderElect: o.LeaderElect,
		ExemptionUsageInterval: o.ExemptionUsageInterval, WouldDenyInterval: o.WouldDenyInterval,
		Registerer: registry, Log: o.Log,
	})
}

func newHandler(o Options, c *controller.Controllers, observers []admission.Observer) *admission.Handler {
	return admission.New(admission.Options{
		Current:          c.Current,
		Relaxers:         c.Rights(),
		Exempters:        c.Rights(),
		Config:           c.Checker(),
		MaxInFlight:      o.MaxInFlight,
		MaxInFlightBytes: o.MaxInFlightBytes,
		Log:              o.Log.WithName("admission"),
		Observers:        observers,
	})
}

// maxConnections returns the maximum number of connections at the webhook port.
func maxConnections(o Options) int {
	wanted := connectionsPerSlot * o.MaxInFlight
	files, known := maxFiles()
	if !known {
		return wanted
	}
	most := affordable(wanted, maxMetricsConnections, files)
	if most < wanted {
		o.Log.Info("The limit on open files allows fewer connections than --max-in-flight may need", "connections", most, "wanted", wanted, "files", files)
	}
	return most
}

// listen opens both addresses before anything starts, so that an address in use is reported immediately.
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
