package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/report"
)

const (
	// reportSettle is how long changes of a namespace are collected before its reports are written.
	reportSettle = 2 * time.Second
	// reportRetry is the delay after a failed read or write of reports, and reportsMissing while somebody else has to
	// install their CRDs, or to allow that they are read.
	reportRetry    = 5 * time.Second
	reportsMissing = time.Minute
)

// reportsOptions configures a reportWriter.
type reportsOptions struct {
	objects *audit.Objects
	client  client.Client
	mapper  meta.RESTMapper
	// name begins the names of all reports, and is the instance in their labels.
	name string
	// pace is how many reports are written in a second.
	pace   float64
	writes *reportWrites
	// onState is called when problem may return something else, or begin may have an effect.
	onState func()
	log     logr.Logger
}

// auditFindings is what an audit has found; *audit.Auditor implements it.
type auditFindings interface {
	// Findings returns what was found in a namespace, or with "" in cluster-scoped objects.
	Findings(namespace string) ([]report.AuditedObject, report.Passes)
	// Namespaces returns those in which something was found.
	Namespaces() []string
	// Recall makes findings have been first seen when seen returns, if that is earlier.
	Recall(seen func(resultID string) (time.Time, bool))
}

// reportWrites counts writes of reports.
type reportWrites struct{ created, updated, deleted, failed atomic.Int64 }

// reportKey identifies a report; those of cluster-scoped objects have no namespace.
type reportKey struct{ namespace, name string }

// storedReport is what is known about a report in the cluster.
type storedReport struct{ digest, version string }

// reportWriter makes the reports in the cluster say what an audit has found: it writes those that differ, and
// deletes those that are not needed. It touches no report without the labels of this installation.
type reportWriter struct {
	reportsOptions
	queue workqueue.TypedRateLimitingInterface[string]
	pacer *rate.Limiter
	// found is what was found. It is nil until that is complete, before which nothing is written.
	found atomic.Pointer[auditFindings]

	mutex  sync.Mutex
	stored map[reportKey]storedReport
	// writing is the report that is being written, or nil.
	writing *writtenReport
	// loaded is true once it is known which reports are stored, or that they cannot be read.
	loaded bool
	// seen has the times at which results in the stored reports were first seen, until they have been recalled.
	seen map[string]int64
	// unread is why reports cannot be read, and unwritten why those of some namespaces cannot be written.
	unread    string
	unwritten map[string]string
}

func newReportWriter(o reportsOptions) *reportWriter {
	return &reportWriter{
		reportsOptions: o, pacer: rate.NewLimiter(rate.Limit(o.pace), 1), stored: map[reportKey]storedReport{}, unwritten: map[string]string{},
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](reportRetry, time.Minute)),
	}
}

// reportKinds are the kinds of reports.
func reportKinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{openreports.SchemeGroupVersion.WithKind("Report"), openreports.SchemeGroupVersion.WithKind("ClusterReport")}
}

// load reads the stored reports, until that succeeds or ctx ends. It returns nil if they cannot be read until somebody
// else changes something: their CRDs are not installed, or RBAC does not allow it.
func (w *reportWriter) load(ctx context.Context) map[schema.GroupVersionKind]string {
	for ctx.Err() == nil {
		versions, err := w.read(ctx)
		switch {
		case err == nil:
			w.readable("", true)
			return versions
		case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
			w.readable("OpenReports is not installed in the cluster, so that findings are only counted here.", true)
			return nil
		case audit.Refused(err):
			w.readable("Reports cannot be read, so that none is written: "+decision.Line(err.Error(), maxName)+".", true)
			return nil
		}
		w.readable("Reports cannot be read: "+decision.Line(err.Error(), maxName)+".", false)
		w.log.Error(err, "Cannot read reports, retrying")
		sleep(ctx, reportRetry)
	}
	return nil
}

// read replaces what is known about the stored reports.
func (w *reportWriter) read(ctx context.Context) (map[schema.GroupVersionKind]string, error) {
	stored, seen, versions := map[reportKey]storedReport{}, map[string]int64{}, map[schema.GroupVersionKind]string{}
	for _, kind := range reportKinds() {
		selection, err := w.selection(kind)
		if err != nil {
			return nil, err
		}
		versions[kind], err = w.objects.Each(ctx, selection, func(object []byte) error {
			found, err := decodeReport(object)
			if err != nil {
				return err
			}
			stored[keyOf(found)] = storedReport{found.Digest(), found.version}
			for i := range found.Results {
				id, _, _ := strings.Cut(found.Results[i].Properties["resultID"], "-")
				if at := found.Results[i].Timestamp.Seconds; id != "" && (seen[id] == 0 || at < seen[id]) {
					seen[id] = at
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	w.mutex.Lock()
	w.stored, w.seen = stored, seen
	w.mutex.Unlock()
	w.recall()
	return versions, nil
}

func (w *reportWriter) selection(kind schema.GroupVersionKind) (audit.Selection, error) {
	mapping, err := w.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return audit.Selection{}, err
	}
	return audit.Selection{Mapping: mapping, Labels: report.LabelManagedBy + "=" + report.ReportSource + "," + report.LabelInstance + "=" + w.name}, nil
}

// recall gives what was found the times at which earlier audits first saw it.
func (w *reportWriter) recall() {
	found := w.found.Load()
	if found == nil {
		return // begin calls it
	}
	w.mutex.Lock()
	seen := w.seen
	w.seen = nil
	w.mutex.Unlock()
	if len(seen) > 0 {
		(*found).Recall(func(id string) (time.Time, bool) {
			at, known := seen[id]
			return time.Unix(at, 0), known
		})
	}
}

// changed makes the reports of a namespace be written.
func (w *reportWriter) changed(namespace string) {
	if w.found.Load() != nil {
		w.queue.AddAfter(namespace, reportSettle)
	}
}

// begin makes all reports be written, once what was found is complete. It has no effect while it is not known which are
// stored: results would lose the times at which they were first seen.
func (w *reportWriter) begin(found auditFindings) {
	w.mutex.Lock()
	loaded := w.loaded
	w.mutex.Unlock()
	if loaded && w.found.CompareAndSwap(nil, &found) {
		w.recall()
		w.compareAll()
	}
}

// compareAll compares all reports with what was found.
func (w *reportWriter) compareAll() {
	found := w.found.Load()
	if found == nil {
		return
	}
	for _, namespace := range (*found).Namespaces() {
		w.queue.Add(namespace)
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for key := range w.stored {
		w.queue.Add(key.namespace)
	}
}

// run reads, writes and watches reports until ctx ends.
func (w *reportWriter) run(ctx context.Context) {
	defer context.AfterFunc(ctx, w.queue.ShutDown)()
	var watches sync.WaitGroup
	defer watches.Wait()
	watches.Go(func() {
		for ctx.Err() == nil {
			versions := w.load(ctx)
			w.compareAll()
			if versions == nil {
				sleep(ctx, reportsMissing)
				continue
			}
			w.follow(ctx, versions)
			sleep(ctx, reportRetry)
		}
	})
	for w.next(ctx) {
	}
}

// count returns how many reports there are.
func (w *reportWriter) count() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return len(w.stored)
}

// problem returns why reports are not written, or "".
func (w *reportWriter) problem() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.unread != "" || len(w.unwritten) == 0 {
		return w.unread
	}
	first := slices.Min(slices.Collect(maps.Keys(w.unwritten)))
	return fmt.Sprintf("Reports cannot be written in %d namespaces, as in %q: %s.", len(w.unwritten), first, w.unwritten[first])
}

// readable records why reports cannot be read, or with "" that they can. loaded is false if they are about to be read
// again.
func (w *reportWriter) readable(problem string, loaded bool) {
	w.mutex.Lock()
	changed := w.unread != problem || loaded && !w.loaded
	w.unread, w.loaded = problem, w.loaded || loaded
	w.mutex.Unlock()
	if changed {
		w.onState()
	}
}

// isReadable reports whether it is known which reports are stored.
func (w *reportWriter) isReadable() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.unread == ""
}

// writable records whether the reports of a namespace can be written.
func (w *reportWriter) writable(namespace string, err error) {
	w.mutex.Lock()
	before, failed := w.unwritten[namespace]
	delete(w.unwritten, namespace)
	after := ""
	if err != nil {
		after = decision.Line(err.Error(), maxName)
		w.unwritten[namespace] = after
	}
	w.mutex.Unlock()
	if failed != (err != nil) || before != after {
		w.onState()
	}
}

// storedOpenReport is a report as it is stored.
type storedOpenReport struct {
	report.OpenReport

	version string
}

func decodeReport(object []byte) (*storedOpenReport, error) {
	// Both kinds have the same fields.
	var r openreports.Report
	if err := json.Unmarshal(object, &r); err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	return &storedOpenReport{report.OpenReport{
		Namespace: r.Namespace, Name: r.Name, Instance: r.Labels[report.LabelInstance], Summary: r.Summary, Results: r.Results,
	}, r.ResourceVersion}, nil
}

func keyOf(r *storedOpenReport) reportKey { return reportKey{r.Namespace, r.Name} }

func objectOf(r *report.OpenReport) client.Object {
	if r.Namespace == "" {
		return r.ClusterReport()
	}
	return r.Report()
}
