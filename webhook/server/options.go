package server

import (
	"errors"
	"io/fs"
	"net"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/certs"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
)

// The defaults of Options.
const (
	DefaultBindAddress            = ":9443"
	DefaultMetricsBindAddress     = ":8080"
	DefaultDrainDelay             = 5 * time.Second
	DefaultShutdownGrace          = 15 * time.Second
	DefaultNamespace              = "taffrail-system"
	DefaultName                   = "taffrail"
	DefaultExemptionUsageInterval = 10 * time.Minute
	DefaultWouldDenyInterval      = 30 * time.Second
)

// Options configures Run.
type Options struct {
	// Config connects to the API server. Required.
	Config *rest.Config
	// Library holds the Rego policies. Required.
	Library fs.FS
	// CertFile and KeyFile hold the serving certificate in PEM, and are reread when they change. They may be
	// created after the start: the server is not ready until they exist. Both are required, unless Certificate
	// is set.
	CertFile, KeyFile string
	// Certificate makes the server issue and rotate its certificate itself, in a Secret, instead of reading
	// files. Its Namespace is that of these Options.
	Certificate *certs.Options
	// WebhookConfiguration is the name of both webhook configurations, and Service the name of the Service in
	// Namespace that they call. Both default to DefaultName. The configurations are read to find out what the
	// API server sends.
	WebhookConfiguration, Service string
	// WebhookURL is the prefix of the URL by which the configurations call this installation if they do not
	// call a Service, such as https://10.0.0.1:9443.
	WebhookURL string
	// ClientCAFile holds, in PEM, the CA certificates of callers. If it is empty, anyone may call. It is reread
	// when it changes. If it is set, handshakes without a client certificate fail, so that health checks work
	// only at MetricsBindAddress.
	ClientCAFile string
	// ClientNames lists the accepted common names of client certificates; empty accepts all.
	ClientNames []string
	// BindAddress serves /mutate, /validate, /relax, /config, /exempt, /healthz and /readyz over TLS. It
	// defaults to DefaultBindAddress.
	BindAddress string
	// Listener replaces BindAddress if it is not nil.
	Listener net.Listener
	// MetricsBindAddress serves /metrics, and also /healthz and /readyz, in plain HTTP, so that they can be
	// read while there is no certificate. "0" disables it. It defaults to DefaultMetricsBindAddress.
	MetricsBindAddress string
	// MetricsListener replaces MetricsBindAddress if it is not nil.
	MetricsListener net.Listener
	// MaxMode caps the mode of every binding; 0 means no cap.
	MaxMode decision.Mode
	// Engine evaluates the policies. It defaults to rego.EngineCompiled.
	Engine rego.Engine
	// Compare is the share of evaluations that are repeated with the other engine, to report differences. It is
	// between 0 and 1.
	Compare float64
	// MaxInFlight limits how many requests are decided concurrently; it defaults to
	// admission.DefaultMaxInFlight. There may be five times as many connections.
	MaxInFlight int
	// MaxInFlightBytes limits the bytes that have arrived of all bodies together; it defaults to
	// admission.DefaultMaxInFlightBytes. One request always fits.
	MaxInFlightBytes int64
	// DrainDelay is how long requests are still decided after a signal to stop, until all clients have noticed
	// that this replica is not ready. It must exceed the time in which endpoints are updated. It defaults to
	// DefaultDrainDelay; a negative value means none.
	DrainDelay time.Duration
	// ShutdownGrace is how long requests in flight may take after DrainDelay; it defaults to
	// DefaultShutdownGrace. A Pod's terminationGracePeriodSeconds must exceed the sum of both.
	ShutdownGrace time.Duration
	// WouldDenyInterval is the time between two writes of what this replica would have denied to the status of
	// Guardrails. It defaults to DefaultWouldDenyInterval.
	WouldDenyInterval time.Duration
	// Events makes the server write Kubernetes Events about what it denies and warns of, with the owner that
	// OwnerLabels name.
	Events bool
	// OwnerLabels are labels or annotations whose value names the owner of an object.
	OwnerLabels []string
	// LeaderElect makes replicas elect the one that writes status. Without it, this replica writes it.
	LeaderElect bool
	// Namespace holds the Lease, and the Secret of Certificate. It defaults to DefaultNamespace.
	Namespace string
	// ExemptionUsageInterval is the time between two counts of what Exemptions exempt, each of which reads the
	// objects that they cover. It defaults to DefaultExemptionUsageInterval.
	ExemptionUsageInterval time.Duration
	Log                    logr.Logger
}

// OptionError is returned for an invalid option.
type OptionError struct {
	Option string
	Err    error
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

func (e *OptionError) Unwrap() error { return e.Err }

var (
	errRequired = errors.New("required")
	errNegative = errors.New("must not be negative")
	errEither   = errors.New("either files or a Certificate")
	errNoShare  = errors.New("must be between 0 and 1")
	errNoProbes = errors.New("required with ClientCAFile: probes could not check readiness otherwise")
)

// complete validates Options and fills in the defaults.
func (o Options) complete() (Options, error) {
	files := o.Certificate == nil
	for option, missing := range map[string]bool{
		"Config": o.Config == nil, "Library": o.Library == nil,
		"CertFile": files && o.CertFile == "", "KeyFile": files && o.KeyFile == "",
	} {
		if missing {
			return o, &OptionError{Option: option, Err: errRequired}
		}
	}
	if !files && (o.CertFile != "" || o.KeyFile != "") {
		return o, &OptionError{Option: "CertFile", Err: errEither}
	}
	if len(o.ClientNames) > 0 && o.ClientCAFile == "" {
		return o, &OptionError{Option: "ClientCAFile", Err: errRequired}
	}
	if o.ClientCAFile != "" && o.MetricsListener == nil && o.MetricsBindAddress == "0" {
		return o, &OptionError{Option: "MetricsBindAddress", Err: errNoProbes}
	}
	if !(o.Compare >= 0 && o.Compare <= 1) {
		return o, &OptionError{Option: "Compare", Err: errNoShare}
	}
	if o.MaxInFlight < 0 {
		return o, &OptionError{Option: "MaxInFlight", Err: errNegative}
	}
	if o.MaxInFlightBytes < 0 {
		return o, &OptionError{Option: "MaxInFlightBytes", Err: errNegative}
	}
	if o.ExemptionUsageInterval < 0 {
		return o, &OptionError{Option: "ExemptionUsageInterval", Err: errNegative}
	}
	if o.ShutdownGrace < 0 {
		return o, &OptionError{Option: "ShutdownGrace", Err: errNegative}
	}
	if o.WouldDenyInterval < 0 {
		return o, &OptionError{Option: "WouldDenyInterval", Err: errNegative}
	}
	fill(&o.Engine, rego.EngineCompiled)
	fill(&o.WouldDenyInterval, DefaultWouldDenyInterval)
	fill(&o.BindAddress, DefaultBindAddress)
	fill(&o.MetricsBindAddress, DefaultMetricsBindAddress)
	fill(&o.Namespace, DefaultNamespace)
	fill(&o.WebhookConfiguration, DefaultName)
	fill(&o.Service, DefaultName)
	if !files {
		certificate := *o.Certificate
		certificate.Namespace = o.Namespace
		o.Certificate = &certificate
	}
	fill(&o.MaxInFlight, admission.DefaultMaxInFlight)
	fill(&o.MaxInFlightBytes, admission.DefaultMaxInFlightBytes)
	fill(&o.ExemptionUsageInterval, DefaultExemptionUsageInterval)
	fill(&o.DrainDelay, DefaultDrainDelay)
	fill(&o.ShutdownGrace, DefaultShutdownGrace)
	return o, nil
}

func fill[T comparable](option *T, value T) {
	var zero T
	if *option == zero {
		*option = value
	}
}
