package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/certs"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/server"
)

// namespaceFile contains the namespace of the Pod.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// serveOptions are server.Options and the flags that have to be converted to them.
type serveOptions struct {
	server.Options
	maxMode, engine, logLevel, logFormat *choice
	cluster                              clusterFlags
	// rotation is used as Options.Certificate if it names a Secret.
	rotation certs.Options
}

// The default lifetimes of a certificate that Taffrail issues.
const (
	defaultCertificateValidity = 90 * 24 * time.Hour
	defaultCAValidity          = 2 * 365 * 24 * time.Hour
)

func newServeCommand() *cobra.Command {
	var o serveOptions
	command := &cobra.Command{
		Use:   "serve",
		Short: "Serve the policies as an admission webhook",
		Long: `Answer AdmissionReviews over TLS, as the Guardrails of the cluster require: objects at
/mutate and /validate, changes to the labels of namespaces at /relax, and Guardrails,
Exemptions and Policies at /config. The same port serves /healthz and /readyz, for
kubelets that do not verify certificates, and the plain HTTP port serves both and
/metrics. With --client-ca-file, only the plain HTTP port serves them, because the TLS
handshake then fails for clients without a certificate.

The certificate is read from files, or from a Secret that Taffrail fills and renews
itself (--tls-secret), together with the caBundle of the webhook configurations.

On SIGTERM, /readyz fails at once. The server keeps serving for --drain-delay, while it
is removed from the endpoints of the Service, and then waits for requests in flight. A
second signal ends it immediately.

Exit codes:
  0  stopped by a signal
  2  incorrect usage, or the server failed`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command) },
	}
	flags := command.Flags()
	flags.StringVar(&o.CertFile, "tls-cert-file", "", "PEM file with the serving certificate; reloaded when it changes")
	flags.StringVar(&o.KeyFile, "tls-private-key-file", "", "PEM file with the key of the serving certificate")
	flags.StringVar(&o.rotation.Secret, "tls-secret", "", "Secret in --namespace that stores the certificate, instead of files; it must exist and may be empty")
	flags.StringVar(&o.Service, "service-name", server.DefaultName, "Service in --namespace that the API server calls; the certificate in --tls-secret is issued for it")
	flags.StringVar(&o.WebhookConfiguration, "webhook-configuration", server.DefaultName, "name of the two webhook configurations, which are read to find out what the API server sends; with --tls-secret, their caBundle is kept up to date")
	flags.StringVar(&o.WebhookURL, "webhook-url", "", "prefix of the URL in the webhook configurations if they do not call a Service, such as https://10.0.0.1:9443")
	flags.DurationVar(&o.rotation.Certificate, "certificate-validity", defaultCertificateValidity, "validity of the certificate in --tls-secret; it is renewed when a third is left")
	flags.DurationVar(&o.rotation.Authority, "ca-validity", defaultCAValidity, "validity of its CA, at least three times --certificate-validity; it is replaced when a third is left")
	flags.StringVar(&o.ClientCAFile, "client-ca-file", "", "PEM file with the CA of the API server's client certificate; other clients then fail the handshake, and without this flag any client may request decisions")
	flags.StringSliceVar(&o.ClientNames, "client-names", nil, "common names of accepted client certificates (default: every certificate that the CA has signed)")
	flags.StringVar(&o.BindAddress, "bind-address", server.DefaultBindAddress, "address of the webhooks, /healthz and /readyz over TLS")
	flags.StringVar(&o.MetricsBindAddress, "metrics-bind-address", server.DefaultMetricsBindAddress, `address of /metrics, /healthz and /readyz over plain HTTP; "0" for none`)
	o.maxMode = addChoice(command, "max-mode", "", "maximum mode of every Guardrail: with warn or audit, no object to which Guardrails apply is denied or changed", "enforce", "warn", "audit")
	o.engine = addEngine(command)
	flags.Float64Var(&o.Compare, "compare", 0, "share of evaluations, between 0 and 1, to repeat in the background with the other engine; differences are logged and counted in taffrail_engine_differences_total")
	o.cluster.add(command)
	flags.BoolVar(&o.LeaderElect, "leader-elect", false, "elect one of several replicas to write conditions and to count what Exemptions exempt")
	flags.StringVarP(&o.Namespace, "namespace", "n", "", "namespace of the Lease for --leader-elect, of --tls-secret and of --service-name (default: the Pod's own, or "+server.DefaultNamespace+")")
	flags.DurationVar(&o.DrainDelay, "drain-delay", server.DefaultDrainDelay, "how long to keep serving after a signal to stop")
	flags.DurationVar(&o.ShutdownGrace, "shutdown-grace", server.DefaultShutdownGrace, "how long to wait for requests in flight after that")
	flags.IntVar(&o.MaxInFlight, "max-in-flight", admission.DefaultMaxInFlight, "requests that are decided at the same time; as many more may wait, twice as many may be received, and five times as many connections may be open")
	flags.Int64Var(&o.MaxInFlightBytes, "max-in-flight-bytes", admission.DefaultMaxInFlightBytes, "bytes of all request bodies in memory; a quarter is reserved for bodies of up to 64 KiB")
	flags.DurationVar(&o.ExemptionUsageInterval, "exemption-usage-interval", server.DefaultExemptionUsageInterval, "how often the leader counts what each Exemption exempts")
	// The previous name of the flag is kept for one release.
	flags.DurationVar(&o.ExemptionUsageInterval, "excuses-interval", server.DefaultExemptionUsageInterval, "deprecated: use --exemption-usage-interval")
	_ = flags.MarkHidden("excuses-interval") // fails for a flag that does not exist
	flags.DurationVar(&o.WouldDenyInterval, "would-deny-interval", server.DefaultWouldDenyInterval, "how often to add the requests that would have been denied to the status of Guardrails")
	flags.BoolVar(&o.Events, "events", false, "write Kubernetes Events about what is denied and warned of")
	addOwnerLabels(command, &o.OwnerLabels)
	o.logLevel = addChoice(command, "log-level", "", "log level; debug includes every decision", "info", "debug", "warn", "error")
	o.logFormat = addChoice(command, "log-format", "", "format of the log on standard error", "json", "text")
	command.MarkFlagsOneRequired("tls-cert-file", "tls-secret")
	command.MarkFlagsMutuallyExclusive("tls-cert-file", "tls-secret")
	command.MarkFlagsRequiredTogether("tls-cert-file", "tls-private-key-file")
	command.AddCommand(newServeAuditCommand())
	return command
}

func (o *serveOptions) run(command *cobra.Command) error {
	var err error
	if o.MaxMode, err = decision.ParseMode(o.maxMode.value); err != nil {
		return &usageError{err}
	}
	if o.Engine, err = rego.ParseEngine(o.engine.value); err != nil {
		return &usageError{err}
	}
	if !(o.Compare >= 0 && o.Compare <= 1) {
		return &usageError{errors.New("--compare must be between 0 and 1")}
	}
	if o.DrainDelay <= 0 {
		o.DrainDelay = -1 // The zero value selects the default.
	}
	if o.MaxInFlight <= 0 || o.MaxInFlightBytes <= 0 || o.ShutdownGrace <= 0 || o.ExemptionUsageInterval <= 0 || o.WouldDenyInterval <= 0 {
		return &usageError{errors.New("--max-in-flight, --max-in-flight-bytes, --shutdown-grace, --exemption-usage-interval and --would-deny-interval must be positive")}
	}
	if len(o.ClientNames) > 0 && o.ClientCAFile == "" {
		return &usageError{errors.New("--client-names has no effect without --client-ca-file: name the file with the CA of the API server's client certificate")}
	}
	if o.ClientCAFile != "" && o.MetricsBindAddress == "0" {
		return &usageError{errors.New("--client-ca-file requires --metrics-bind-address: probes have no client certificate and can only use that port")}
	}
	if o.rotation.Secret != "" {
		o.rotation.Service, o.rotation.Configuration = o.Service, o.WebhookConfiguration
		if err := o.rotation.Check(); err != nil {
			return &usageError{fmt.Errorf("--certificate-validity and --ca-validity: %w", err)}
		}
		o.Certificate = &o.rotation
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
	start := time.Now()
	if err := server.Run(ctx, o.Options); err != nil {
		return err
	}
	o.Log.Info("Stopped", "after", time.Since(start).Round(time.Second).String())
	return nil
}

// logThrough makes libraries use the logger. They log through global loggers, of which a process has only one.
func logThrough(log logr.Logger) {
	ctrllog.SetLogger(log)
	klog.SetLogger(log.WithName("client-go"))
}

// untilSignal returns a context that the first signal to stop ends. The second one ends the process.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop()
	}()
	return ctx, stop
}

func podNamespace() string {
	if content, err := os.ReadFile(namespaceFile); err == nil {
		return strings.TrimSpace(string(content))
	}
	return server.DefaultNamespace
}
