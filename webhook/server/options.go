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

// Options of Run.
type Options struct {
	// Config leads to the API server. Required.
	Config *rest.Config
	// Library holds the Rego policies. Required.
	Library fs.FS
	// CertFile and KeyFile hold the serving certificate in PEM, and are read again when
	// they change. They may appear after the start: the server is not ready until they
	// do. Both are required, unless Certificate is set.
	CertFile, KeyFile string
	// Certificate makes the server keep its certificate by itself, in a Secret, instead of
	// files. Its Namespace is that of these Options.
	Certificate *certs.Options
	// WebhookConfiguration is the name of both webhook configurations, and Service that of
	// the Service in Namespace that they call; DefaultName if empty. They are read to know
	// what the API server asks about.
	WebhookConfiguration, Service string
	// WebhookURL is the beginning of the URL by which the configurations call this
	// installation where no Service leads to it, as in https://10.0.0.1:9443.
	WebhookURL string
	// ClientCAFile holds, in PEM, who signs the certificates of those who may ask for
	// decisions; anybody may if it is empty. It is read again when it changes. With it, nobody
	// else gets past the handshake, so that health is for MetricsBindAddress alone.
	ClientCAFile string
	// ClientNames are the common names that are let in, with ClientCAFile; all if empty.
	ClientNames []string
	// BindAddress serves /mutate, /validate, /relax, /config, /healthz and /readyz over
	// TLS; DefaultBindAddress if empty.
	BindAddress string
	// Listener serves instead of BindAddress where it is not nil.
	Listener net.Listener
	// MetricsBindAddress serves /metrics, and /healthz and /readyz once more, in plain
	// HTTP: there they can be asked while there is no certificate. "0" turns it off;
	// DefaultMetricsBindAddress if empty.
	MetricsBindAddress string
	// MetricsListener serves instead of MetricsBindAddress where it is not nil.
	MetricsListener net.Listener
	// MaxMode is a ceiling for every binding; 0 is none.
	MaxMode decision.Mode
	// Engine evaluates the policies; rego.EngineCompiled if empty.
	Engine rego.Engine
	// Compare is the share of evaluations that are repeated with the other engine, to report differences. It is
	// between 0 and 1.
	Compare float64
	// MaxInFlight requests are decided at once; admission.DefaultMaxInFlight if 0. There may
	// be five times as many connections.
	MaxInFlight int
	// MaxInFlightBytes is what has arrived of all bodies together;
	// admission.DefaultMaxInFlightBytes if 0. One request always fits.
	MaxInFlightBytes int64
	// DrainDelay is how long requests are still decided after a signal to stop, while
	// the news spreads that this replica is not ready; DefaultDrainDelay if 0, none if
	// negative. It must be longer than endpoints take to be updated.
	DrainDelay time.Duration
	// ShutdownGrace is how long requests in flight may then take; DefaultShutdownGrace
	// if 0. A Pod's terminationGracePeriodSeconds must exceed both together.
	ShutdownGrace time.Duration
	// WouldDenyInterval is how often this replica adds to the status of Guardrails what it has
	// admitted and would have denied; DefaultWouldDenyInterval if 0.
	WouldDenyInterval time.Duration
	// LeaderElect makes replicas elect one that writes status. Where it is off, this
	// one does.
	LeaderElect bool
	// Namespace holds the Lease, and the Secret of Certificate; DefaultNamespace if empty.
	Namespace string
	// ExemptionUsageInterval is how often the leader counts what Exemptions excuse, which reads the
	// objects that they cover; DefaultExemptionUsageInterval if 0.
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
	errNoProbes = errors.New("required with ClientCAFile, or no probe could ask whether the server is ready")
)

// complete checks Options and fills in the defaults.
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
