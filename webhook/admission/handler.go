package admission

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// The paths that the webhook configurations name.
const (
	MutatePath   = "/mutate"
	ValidatePath = "/validate"
	// RelaxPath is for changes of a Namespace's labels.
	RelaxPath = "/relax"
	// ConfigPath is for Taffrail's own Guardrails, Exemptions and Policies.
	ConfigPath = "/config"
	// ExemptPath is for who writes Exemptions.
	ExemptPath = "/exempt"
)

// DefaultMaxInFlight lets several API servers fill up their own default limit of 200
// mutating requests before any is shed.
const DefaultMaxInFlight = 512

// DefaultMaxInFlightBytes bounds memory: a body may take 20 times its size once decoded.
// An ordinary review has some 10 KiB.
const DefaultMaxInFlightBytes = 64 << 20

// maxConfiguration is how many objects of Taffrail's own configuration are checked at once.
const maxConfiguration = 4

// Decider is the part of a *pipeline.Decider that requests need.
type Decider interface {
	// ID is that of the Snapshot.
	ID() string
	Snapshot() *config.Snapshot
	Decide(context.Context, *decision.Request) (*decision.Decision, error)
	Strictest(context.Context, *decision.Request) (decision.Mode, []string, error)
	WouldRefuse(context.Context, *decision.Request) ([]string, error)
	Relax(context.Context, *decision.Request, pipeline.Relaxers) (*decision.Decision, error)
	RelaxOversized(*request.LimitError) *decision.Decision
}

var _ Decider = (*pipeline.Decider)(nil)

// Options of a Handler.
type Options struct {
	// Current returns what decides, nil while there is no configuration. It is called once a
	// request.
	Current func() Decider
	// Relaxers is asked at RelaxPath, which is not served where it is nil.
	Relaxers pipeline.Relaxers
	// Config is asked at ConfigPath, which is not served where it is nil.
	Config Checker
	// Exempters is asked at ExemptPath, which is not served where it or Config is nil.
	Exempters pipeline.Exempters
	// MaxInFlight is how many requests are decided at once, DefaultMaxInFlight if 0. The API
	// server is asked to retry the rest. A request counts once its body is complete; twice as
	// many may be arriving.
	MaxInFlight int
	// MaxInFlightBytes limits what has arrived of all bodies together, DefaultMaxInFlightBytes
	// if 0. One request of the largest legal size always fits.
	MaxInFlightBytes int64
	// Log is the first observer of every request; Observers are notified after it, in order.
	Log       logr.Logger
	Observers []Observer
}

// Handler answers AdmissionReviews.
type Handler struct {
	options Options
	// slots are for decisions about objects; configuration is for those about Taffrail's own,
	// which compile policies and must not keep the others waiting.
	slots, configuration *slots
	// exemptions limits /exempt separately: /config is registered with failurePolicy Ignore, and
	// /exempt may be registered with Fail.
	exemptions *slots
	bodies     *bodyBudget
	observers  []Observer
	phase      atomic.Int32
}

const (
	serving int32 = iota
	// draining still decides, and asks clients to come back on another connection.
	draining
	// stopped decides no more.
	stopped
)

// New makes a Handler.
func New(o Options) *Handler {
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.MaxInFlightBytes <= 0 {
		o.MaxInFlightBytes = DefaultMaxInFlightBytes
	}
	return &Handler{
		options:       o,
		slots:         newSlots(o.MaxInFlight),
		configuration: newSlots(min(o.MaxInFlight, maxConfiguration)),
		exemptions:    newSlots(min(o.MaxInFlight, maxConfiguration)),
		bodies:        newBodyBudget(o.MaxInFlightBytes, 2*o.MaxInFlight),
		observers:     append([]Observer{logObserver{o.Log}}, o.Observers...),
	}
}

// Register adds the paths to mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle(MutatePath, &endpoint{Handler: h, origin: decision.OriginMutating, path: MutatePath, slots: h.slots, handle: (*endpoint).decide})
	mux.Handle(ValidatePath, &endpoint{Handler: h, origin: decision.OriginValidating, path: ValidatePath, slots: h.slots, handle: (*endpoint).decide})
	if h.options.Relaxers != nil {
		mux.Handle(RelaxPath, &endpoint{Handler: h, origin: decision.OriginValidating, path: RelaxPath, slots: h.slots, handle: (*endpoint).relax})
	}
	if h.options.Config != nil {
		mux.Handle(ConfigPath, &endpoint{Handler: h, origin: decision.OriginValidating, path: ConfigPath, slots: h.configuration, handle: (*endpoint).check})
	}
	if h.options.Config != nil && h.options.Exempters != nil {
		mux.Handle(ExemptPath, &endpoint{Handler: h, origin: decision.OriginValidating, path: ExemptPath, slots: h.exemptions, handle: (*endpoint).exempt})
	}
}

// Drain makes the Handler close each connection with its next answer, so that the API server
// reconnects to a current endpoint of the Service. Requests are still decided.
func (h *Handler) Drain() { h.phase.CompareAndSwap(serving, draining) }

// Stop makes the Handler answer new requests with 503 and Retry-After, so that the API server
// retries at another replica. It does not retry after a connection reset.
func (h *Handler) Stop() { h.phase.Store(stopped) }

// endpoint is a Handler at one path.
type endpoint struct {
	*Handler
	origin decision.Origin
	path   string
	slots  *slots
	// handle takes the body of an AdmissionReview to its answer.
	handle func(*endpoint, context.Context, []byte, Decider, *Observation) (*response, error)
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := &Observation{Path: e.path}
	body, err := e.recovered(w, r, o)
	if e.phase.Load() != serving {
		w.Header().Set("Connection", "close")
	}
	if err != nil {
		e.fail(w, r, o, err)
		return
	}
	e.observe(o)
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		e.options.Log.V(1).Info("The client was gone before its answer", "path", e.path, "error", err.Error())
	}
}

// recovered turns a panic into an error: one object that trips over a defect must not
// take the requests of everybody else down with it.
func (e *endpoint) recovered(w http.ResponseWriter, r *http.Request, o *Observation) (body []byte, err error) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		text := fmt.Sprintf("%T", cause)
		// The runtime's own errors name types and indices. The text of any other might
		// hold part of the object.
		if defect, ok := cause.(runtime.Error); ok {
			text = defect.Error()
		}
		e.options.Log.Error(errors.New(text), "A request panicked", append(o.fields(), "stack", string(debug.Stack()))...)
		err = &failure{status: http.StatusInternalServerError, reason: reasonPanic, text: "internal error: a defect in Taffrail, see its log"}
	}()
	return e.answer(w, r, o)
}

func (e *endpoint) answer(w http.ResponseWriter, r *http.Request, o *Observation) ([]byte, error) {
	if err := checkHeader(r); err != nil {
		return nil, err
	}
	if e.phase.Load() == stopped {
		return nil, &failure{status: http.StatusServiceUnavailable, reason: reasonStopping, retry: true, text: "stopping"}
	}
	decider := e.options.Current()
	if decider == nil {
		return nil, &failure{status: http.StatusServiceUnavailable, reason: reasonNotReady, retry: true, text: "no policies compiled yet"}
	}
	o.SnapshotID, o.Snapshot = decider.ID(), decider.Snapshot()

	ctx, cancel := context.WithTimeout(r.Context(), timeLeft(r))
	defer cancel()
	in := e.open(w, bodyTimeout)
	defer in.close()
	body, err := readBody(ctx, r, in)
	if err != nil {
		return nil, err
	}
	release, err := e.slots.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	o.began = time.Now()
	response, err := e.handle(e, ctx, body, decider, o)
	if err != nil {
		return nil, failureOf(ctx, err)
	}
	return response.encode()
}

// fail answers with an HTTP error. Its text reaches the person whose request fails.
func (e *endpoint) fail(w http.ResponseWriter, r *http.Request, o *Observation, err error) {
	var f *failure
	if !errors.As(err, &f) {
		f = internal(err)
	}
	o.Err, o.Reason, o.failure = err, f.reason, f
	e.observe(o)
	header := w.Header()
	switch {
	case f.status == http.StatusServiceUnavailable && f.retry:
		// It may be the API server's, which is to read this.
		e.drain(w, r)
	case f.status < http.StatusInternalServerError && f.reason != reasonShed:
		// Whatever is left of the body is not worth waiting for.
		header.Set("Connection", "close")
	}
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	if f.retry {
		header.Set("Retry-After", "1")
	}
	if f.status == http.StatusMethodNotAllowed {
		header.Set("Allow", http.MethodPost)
	}
	w.WriteHeader(f.status)
	_, _ = io.WriteString(w, f.Error()+"\n")
}
