package admission

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/configcheck"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// The paths that the webhook configurations call.
const (
	MutatePath   = "/mutate"
	ValidatePath = "/validate"
	// RelaxPath decides changes of a Namespace's labels.
	RelaxPath = "/relax"
	// ConfigPath checks Guardrails, Exemptions and Policies.
	ConfigPath = "/config"
	// ExemptPath decides who may write Exemptions.
	ExemptPath = "/exempt"
)

// DefaultMaxInFlight lets several API servers reach their own default limit of 200 mutating requests before any
// request is shed.
const DefaultMaxInFlight = 512

// DefaultMaxInFlightBytes limits memory: a body may take 20 times its size once decoded. A typical review has
// about 10 KiB.
const DefaultMaxInFlightBytes = 64 << 20

// maxConfiguration limits how many objects of Taffrail's own configuration are checked concurrently.
const maxConfiguration = 4

// Decider is the subset of *pipeline.Decider that requests need.
type Decider interface {
	// ID returns the ID of the Snapshot.
	ID() string
	Snapshot() *config.Snapshot
	Decide(context.Context, *decision.Request) (*decision.Decision, error)
	DecideOversized(context.Context, *request.LimitError) (*decision.Decision, error)
	Relax(context.Context, *decision.Request, pipeline.Relaxers) (*decision.Decision, error)
	RelaxOversized(*request.LimitError) *decision.Decision
}

var _ Decider = (*pipeline.Decider)(nil)

// Options configures a Handler.
type Options struct {
	// Current returns the Decider in force, or nil before there is one. It is called once per request.
	Current func() Decider
	// Relaxers answers access reviews at RelaxPath. If nil, RelaxPath is not served.
	Relaxers pipeline.Relaxers
	// Config checks objects at ConfigPath. If nil, ConfigPath is not served.
	Config Checker
	// Exempters answers access reviews at ExemptPath. If it or Config is nil, ExemptPath is not served.
	Exempters configcheck.Exempters
	// MaxInFlight limits how many requests are decided concurrently; it defaults to DefaultMaxInFlight. The API
	// server is made to retry the others. A request counts once its body is complete; twice as many may be
	// arriving.
	MaxInFlight int
	// MaxInFlightBytes limits the bytes that have arrived of all bodies together; it defaults to
	// DefaultMaxInFlightBytes. One request of the largest legal size always fits.
	MaxInFlightBytes int64
	// Log receives every request first; Observers are notified after it, in order.
	Log       logr.Logger
	Observers []Observer
}

// Handler answers AdmissionReviews.
type Handler struct {
	options Options
	// slots limits decisions about objects. configuration limits checks of Taffrail's own objects, which
	// compile policies and must not delay the others.
	slots, configuration *slots
	// exemptions limits /exempt separately: /config is registered with failurePolicy Ignore, and /exempt may be
	// registered with Fail.
	exemptions *slots
	bodies     *bodyBudget
	observers  []Observer
	phase      atomic.Int32
}

const (
	serving int32 = iota
	// draining still decides, and closes each connection with its next answer.
	draining
	// stopped no longer decides.
	stopped
)

// New returns a Handler.
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

// Drain makes the Handler close each connection with its next answer, so that the API server reconnects to a
// current endpoint of the Service. Requests are still decided.
func (h *Handler) Drain() { h.phase.CompareAndSwap(serving, draining) }

// Stop makes the Handler answer new requests with 503 and Retry-After, so that the API server retries with
// another replica. The API server would not retry after a connection reset.
func (h *Handler) Stop() { h.phase.Store(stopped) }

// endpoint serves one path of a Handler.
type endpoint struct {
	*Handler
	origin decision.Origin
	path   string
	slots  *slots
	// handle answers the body of one AdmissionReview.
	handle func(*endpoint, context.Context, []byte, Decider, *Observation) (*response, error)
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := &Observation{Path: e.path}
	body, err := e.answerOrRecover(w, r, o)
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
		e.options.Log.V(1).Info("The client disconnected before it was answered", "path", e.path, "error", err.Error())
	}
}

// answerOrRecover turns a panic into an error, because one object that triggers a defect must not end the requests of
// everyone else.
func (e *endpoint) answerOrRecover(w http.ResponseWriter, r *http.Request, o *Observation) (body []byte, err error) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		e.options.Log.Error(errors.New(decision.PanicText(cause)), "A request panicked", append(o.fields(), "stack", string(debug.Stack()))...)
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

// fail answers with an HTTP error. The person whose request fails reads its text.
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
		// The client may be the API server, which has to receive this answer.
		e.drain(w, r)
	case f.status < http.StatusInternalServerError && f.reason != reasonShed:
		// The rest of the body is not worth waiting for.
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
