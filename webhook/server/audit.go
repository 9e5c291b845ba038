package server

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/controller"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/events"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/rego"
)

// The defaults of AuditOptions.
const (
	DefaultAuditPace   = 500
	DefaultReportPace  = 20
	DefaultAuditResync = 12 * time.Hour
	// MinAuditPace keeps a pass over a cluster from lasting for days.
	MinAuditPace = 10
)

// AuditOptions configures RunAudit.
type AuditOptions struct {
	// Config connects to the API server. Required.
	Config *rest.Config
	// Library holds the Rego policies. Required.
	Library fs.FS
	// Name is the name of the installation, by which its reports are known. It defaults to DefaultName.
	Name string
	// Namespace holds the Lease. It defaults to DefaultNamespace.
	Namespace string
	// MaxMode caps the mode of every binding; 0 means no cap.
	MaxMode decision.Mode
	// Engine evaluates the policies. It defaults to rego.EngineCompiled.
	Engine rego.Engine
	// MetricsBindAddress serves /metrics, /healthz and /readyz in plain HTTP. "0" disables it. It defaults to
	// DefaultMetricsBindAddress.
	MetricsBindAddress string
	// LeaderElect makes replicas elect the one that audits. Without it, this replica does.
	LeaderElect bool
	// Pace is how many objects a second are decided that have not just changed, at least MinAuditPace. It defaults to
	// DefaultAuditPace.
	Pace float64
	// ReportPace is how many reports a second are written. It defaults to DefaultReportPace.
	ReportPace float64
	// Resync is the time after which every object is decided again although nothing has changed. It defaults to
	// DefaultAuditResync.
	Resync time.Duration
	// OwnerLabels are labels or annotations whose value names the owner of an object.
	OwnerLabels []string
	// Events makes the auditor write Kubernetes Events about what it finds.
	Events bool
	Log    logr.Logger
}

// RunAudit audits until ctx ends. It returns nil after a clean stop.
func RunAudit(ctx context.Context, o AuditOptions) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	catalog, err := rego.Load(o.Library)
	if err != nil {
		return fmt.Errorf("loading the policies: %w", err)
	}
	var written *events.Writer
	var found func(audit.Found)
	if o.Events {
		if written, err = newEvents(o.Config, "taffrail.dev/audit", registry, o.Log); err != nil {
			return err
		}
		found = func(f audit.Found) {
			notice := events.NewNotice(events.Violated, f.Kind, f.Namespace, f.Name, f.UID, f.Owner, f.Findings)
			if f.Changed {
				written.Add(notice)
			} else {
				written.Summarize(notice)
			}
		}
	}
	auditor, err := controller.NewAudit(controller.AuditOptions{
		Config: o.Config, Catalog: catalog.WithEngine(o.Engine), Name: o.Name, Namespace: o.Namespace, MaxMode: o.MaxMode, LeaderElect: o.LeaderElect,
		Pace: o.Pace, ReportPace: o.ReportPace, Resync: o.Resync, OwnerLabels: o.OwnerLabels, Found: found, Registerer: registry, Log: o.Log,
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(logr.NewContext(ctx, o.Log))
	group.Go(func() error { return auditor.Run(ctx) })
	if written != nil {
		group.Go(func() error { written.Run(ctx); return nil })
	}
	if o.MetricsBindAddress != "0" {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.MetricsBindAddress)
		if err != nil {
			return err
		}
		probes := &health{checks: []check{{"informers", auditor.InformersReady}, {"configuration", auditor.ConfigurationReady}}}
		limited := newConnections(listener, maxMetricsConnections, metrics.NewConnections(registry).Evicted("metrics"))
		group.Go(func() error {
			return serveMetrics(ctx, limited, metricsHandler(registry, probes), o.Log.WithName("metrics"))
		})
	}
	o.Log.Info("Auditing", "pace", o.Pace, "apiServer", o.Config.Host)
	return group.Wait()
}

// complete validates the options and fills in the defaults.
func (o AuditOptions) complete() (AuditOptions, error) {
	for option, missing := range map[string]bool{"Config": o.Config == nil, "Library": o.Library == nil} {
		if missing {
			return o, &OptionError{Option: option, Err: errRequired}
		}
	}
	for option, value := range map[string]float64{"Pace": o.Pace, "ReportPace": o.ReportPace, "Resync": float64(o.Resync)} {
		if value < 0 {
			return o, &OptionError{Option: option, Err: errNegative}
		}
	}
	fill(&o.Name, DefaultName)
	fill(&o.Namespace, DefaultNamespace)
	fill(&o.Engine, rego.EngineCompiled)
	fill(&o.MetricsBindAddress, DefaultMetricsBindAddress)
	fill(&o.Pace, DefaultAuditPace)
	fill(&o.ReportPace, DefaultReportPace)
	fill(&o.Resync, DefaultAuditResync)
	o.Pace = max(o.Pace, MinAuditPace)
	return o, nil
}
