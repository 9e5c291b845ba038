package events

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	eventsclient "k8s.io/client-go/kubernetes/typed/events/v1"
)

const (
	// settle is how long notices are collected before they are written.
	settle = 5 * time.Second
	// maxAlone is how many objects of a namespace get an Event of their own within a window. Others are summarized, once
	// in a window at most and at its end.
	maxAlone = 3
	window   = 10 * time.Minute
	// burst and interval limit the Events that one process writes: burst at once, and one per interval after that.
	burst    = 25
	interval = 2 * time.Second
	// remembered is for how long an Event is not repeated. The API server deletes Events after that time by default.
	remembered    = time.Hour
	maxRemembered = 10_000
	// maxNamespaces limits the namespaces with notices that are not written yet.
	maxNamespaces = 1000
)

// Counter counts Events by what became of them.
type Counter interface {
	// Written counts an Event that was written, Failed one that was not, and Summarized an object that has no Event of
	// its own.
	Written()
	Failed()
	Summarized()
}

// Options configures a Writer. All fields are required.
type Options struct {
	Client eventsclient.EventsGetter
	// Controller and Instance name the writer: the program, and its Pod.
	Controller, Instance string
	Counter              Counter
	Now                  func() time.Time
	Log                  logr.Logger
}

// Writer writes Events. It is safe for concurrent use.
type Writer struct {
	options Options
	pacer   *rate.Limiter

	mutex sync.Mutex
	// written has when the Event with a name was written.
	written    map[string]time.Time
	namespaces map[string]*pending
}

// pending is what is to be written about a namespace, and what was written in its window.
type pending struct {
	began      time.Time
	alone      int
	summarized bool
	// due has the Events about single objects. They hold no part of a request's body.
	due  []*eventsv1.Event
	more summary
}

// NewWriter returns a Writer that is ready to Run.
func NewWriter(o Options) *Writer {
	return &Writer{
		options: o, pacer: rate.NewLimiter(rate.Every(interval), burst), written: map[string]time.Time{}, namespaces: map[string]*pending{},
	}
}

// Add makes an Event be written, unless there are no findings, or the same one was written within the last hour. It does
// not block.
func (w *Writer) Add(n Notice) { w.add(&n, true) }

// Summarize is Add for one of many objects, which are only counted in the Event about their namespace.
func (w *Writer) Summarize(n Notice) { w.add(&n, false) }

func (w *Writer) add(n *Notice, alone bool) {
	if len(n.Findings) == 0 {
		return
	}
	name, now := n.name(), w.options.Now()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if at, known := w.written[name]; known && now.Sub(at) < remembered {
		return
	}
	p := w.namespaces[n.Object.Namespace]
	if p == nil {
		if len(w.namespaces) == maxNamespaces {
			w.options.Counter.Failed()
			return
		}
		p = &pending{began: now}
		w.namespaces[strings.Clone(n.Object.Namespace)] = p
	}
	w.remember(name, now)
	if alone && p.alone < maxAlone {
		p.alone++
		p.due = append(p.due, w.event(name, n.Reason, n.Object, n.note(), now))
		return
	}
	p.more.add(n)
	w.options.Counter.Summarized()
}

// remember records that an Event was written. If there are too many, it forgets the old ones, or else all.
func (w *Writer) remember(name string, now time.Time) {
	if len(w.written) == maxRemembered {
		maps.DeleteFunc(w.written, func(_ string, at time.Time) bool { return now.Sub(at) >= remembered })
	}
	if len(w.written) == maxRemembered {
		clear(w.written)
	}
	w.written[name] = now
}

// Run writes Events until ctx ends.
func (w *Writer) Run(ctx context.Context) { wait.UntilWithContext(ctx, w.writeAll, settle) }

// writeAll writes what is due.
func (w *Writer) writeAll(ctx context.Context) {
	for event := w.next(); event != nil; event = w.next() {
		if w.pacer.Wait(ctx) != nil {
			return // ctx has ended
		}
		w.write(ctx, event)
	}
}

// next returns the next Event that is due, or nil: one about a single object, or else a summary. It forgets namespaces
// whose window has passed.
func (w *Writer) next() *eventsv1.Event {
	now := w.options.Now()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	names := slices.Sorted(maps.Keys(w.namespaces))
	for _, namespace := range names {
		if p := w.namespaces[namespace]; len(p.due) > 0 {
			first := p.due[0]
			p.due = p.due[1:]
			return first
		}
	}
	for _, namespace := range names {
		p := w.namespaces[namespace]
		over := now.Sub(p.began) >= window
		if over {
			delete(w.namespaces, namespace)
		}
		if p.more.objects > 0 && (over || !p.summarized) {
			note := p.more.note(namespace)
			p.more, p.summarized = summary{}, true
			name := "taffrail-" + w.options.Instance + "-" + strconv.FormatInt(now.UnixMicro(), 36)
			return w.event(name, Violations, summarized(namespace), note, now)
		}
	}
	return nil
}

// summarized returns what a summary is about: the namespace, or for cluster-scoped objects that of their Events.
func summarized(namespace string) corev1.ObjectReference {
	if namespace == "" {
		return referenceTo("v1", "Namespace", "", metav1.NamespaceDefault, "")
	}
	return referenceTo("v1", "Namespace", namespace, namespace, "")
}

func (w *Writer) event(name string, reason Reason, about corev1.ObjectReference, note string, now time.Time) *eventsv1.Event {
	action := "Admission"
	if reason == Violated {
		action = "Audit"
	}
	namespace := about.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault // where Kubernetes keeps the Events about cluster-scoped objects
	}
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		EventTime:  metav1.NewMicroTime(now), ReportingController: w.options.Controller, ReportingInstance: w.options.Instance,
		Type: corev1.EventTypeWarning, Reason: string(reason), Action: action, Regarding: about, Note: note,
	}
}

// write writes an Event. An error is logged and not repeated: nothing depends on Events.
func (w *Writer) write(ctx context.Context, event *eventsv1.Event) {
	_, err := w.options.Client.Events(event.Namespace).Create(ctx, event, metav1.CreateOptions{})
	switch {
	case err == nil:
		w.options.Counter.Written()
	case apierrors.IsAlreadyExists(err):
		// Another replica has written it.
	case ctx.Err() != nil:
	default:
		w.options.Counter.Failed()
		w.options.Log.Error(err, "Cannot write an Event", "regarding", fmt.Sprintf("%s %s/%s", event.Regarding.Kind, event.Regarding.Namespace, event.Regarding.Name))
	}
}
