package main

import (
	"errors"

	"github.com/spf13/cobra"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/server"
)

// serveAuditOptions are server.AuditOptions and the flags that have to be converted to them.
type serveAuditOptions struct {
	server.AuditOptions
	maxMode, engine, logLevel, logFormat *choice
	cluster                              clusterFlags
}

func newServeAuditCommand() *cobra.Command {
	var o serveAuditOptions
	command := &cobra.Command{
		Use:   "audit",
		Short: "Audit the objects of the cluster continuously",
		Long: `Decide every object that exists in the cluster as if it were created now, by the
Guardrails of the cluster, and keep the result current: a change of an object is decided at
once, and a change of a Guardrail, an Exemption, a Policy, a namespace, a LimitRange, a
ResourceQuota or a HorizontalPodAutoscaler makes the objects be decided again that it
touches, at --objects-per-second.

What is found is written to Reports (openreports.io), if the cluster has them, and counted in
status.audit of the Guardrails and in metrics. "taffrail audit" scans a cluster once instead.

It may be stopped at any moment: the next start begins with what is in the cluster.

Exit codes:
  0  stopped by a signal
  2  incorrect usage, or the audit failed`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command) },
	}
	flags := command.Flags()
	flags.StringVar(&o.Name, "name", server.DefaultName, "name of the installation, by which its reports are known")
	flags.StringVarP(&o.Namespace, "namespace", "n", "", "namespace of the Lease for --leader-elect (default: the Pod's own, or "+server.DefaultNamespace+")")
	flags.StringVar(&o.MetricsBindAddress, "metrics-bind-address", server.DefaultMetricsBindAddress, `address of /metrics, /healthz and /readyz over plain HTTP; "0" for none`)
	o.maxMode = addChoice(command, "max-mode", "", "maximum mode of every Guardrail, as that of the webhook", "enforce", "warn", "audit")
	o.engine = addEngine(command)
	o.cluster.add(command)
	flags.BoolVar(&o.LeaderElect, "leader-elect", false, "elect one of several replicas to audit")
	flags.Float64Var(&o.Pace, "objects-per-second", server.DefaultAuditPace, "how many objects are decided in a second that have not just changed, at least 10")
	flags.Float64Var(&o.ReportPace, "reports-per-second", server.DefaultReportPace, "how many reports are written in a second")
	flags.DurationVar(&o.Resync, "resync", server.DefaultAuditResync, "how often every object is decided again although nothing has changed")
	addOwnerLabels(command, &o.OwnerLabels)
	flags.BoolVar(&o.Events, "events", false, "write Kubernetes Events about what would be denied or warned of")
	o.logLevel = addChoice(command, "log-level", "", "log level; debug includes each object that could not be decided", "info", "debug", "warn", "error")
	o.logFormat = addChoice(command, "log-format", "", "format of the log on standard error", "json", "text")
	return command
}

func (o *serveAuditOptions) run(command *cobra.Command) error {
	var err error
	if o.MaxMode, err = decision.ParseMode(o.maxMode.value); err != nil {
		return &usageError{err}
	}
	if o.Engine, err = rego.ParseEngine(o.engine.value); err != nil {
		return &usageError{err}
	}
	if o.Pace < server.MinAuditPace || o.ReportPace <= 0 || o.Resync <= 0 {
		return &usageError{errors.New("--objects-per-second must be at least 10, --reports-per-second and --resync must be positive")}
	}
	connection, err := o.cluster.connect()
	if err != nil {
		return err
	}
	o.Config = connection.config
	if o.Namespace == "" {
		o.Namespace = podNamespace()
	}
	o.Library = policies.FS
	if o.Log, err = newLogger(command.ErrOrStderr(), o.logLevel.value, o.logFormat.value); err != nil {
		return &usageError{err}
	}
	logThrough(o.Log)
	ctx, stop := untilSignal(command.Context())
	defer stop()
	return server.RunAudit(ctx, o.AuditOptions)
}
