package controller

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"taffrail.dev/webhook/audit"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/report"
)

// foundIn has the names of Pods with a finding, by namespace.
type foundIn map[string][]string

func (f foundIn) Findings(namespace string) (all []report.AuditedObject, _ report.Passes) {
	for _, name := range f[namespace] {
		all = append(all, report.AuditedObject{
			Kind: corev1.SchemeGroupVersion.WithKind("Pod"), Namespace: namespace, Name: name, UID: "uid-" + name,
			Findings: []report.AuditedFinding{{Finding: decision.Finding{Policy: "p", Key: "k", Message: "m", WouldDeny: true}, FirstSeen: time.Unix(1, 0)}},
		})
	}
	return all, report.Passes{}
}

func (f foundIn) Namespaces() (all []string) {
	for namespace := range f {
		all = append(all, namespace)
	}
	return all
}

func (f foundIn) Recall(func(string) (time.Time, bool)) {}

type writtenReports struct {
	*reportWriter
	client client.Client
	found  foundIn
}

func newWrittenReports(t *testing.T, refuse error, stored ...client.Object) *writtenReports {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := openreports.Install(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(stored...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if refuse != nil {
				return refuse
			}
			return c.Create(ctx, object, options...)
		},
	}).Build()
	w := &writtenReports{client: c, found: foundIn{}}
	w.reportWriter = newReportWriter(reportsOptions{client: c, name: "taffrail", pace: 1e6, writes: &reportWrites{}, onState: func() {}, log: logr.Discard()})
	w.begin(w.found)
	if w.reportWriter.found.Load() != nil {
		t.Error("it begins before it is known which reports are stored")
	}
	w.readable("", true)
	w.begin(w.found)
	return w
}

func (w *writtenReports) writes() [4]int64 {
	n := w.reportsOptions.writes
	return [4]int64{n.created.Load(), n.updated.Load(), n.deleted.Load(), n.failed.Load()}
}

func (w *writtenReports) write(t *testing.T, namespace string, want [4]int64) {
	t.Helper()
	w.queue.Add(namespace)
	w.next(t.Context())
	if got := w.writes(); got != want {
		t.Errorf("created, updated, deleted and failed: %v, want %v", got, want)
	}
}

func TestReportsAreWrittenOnlyIfTheyDiffer(t *testing.T) {
	w := newWrittenReports(t, nil)
	w.write(t, "shop", [4]int64{})
	w.found["shop"] = []string{"a"}
	w.write(t, "shop", [4]int64{1, 0, 0, 0})
	w.write(t, "shop", [4]int64{1, 0, 0, 0})
	w.found["shop"] = []string{"a", "b"}
	w.write(t, "shop", [4]int64{1, 1, 0, 0})
	var stored openreports.Report
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "taffrail"}, &stored); err != nil || len(stored.Results) != 2 {
		t.Fatalf("%+v, %v", stored, err)
	}
	w.found["shop"] = nil
	w.write(t, "shop", [4]int64{1, 1, 1, 0})
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "taffrail"}, &stored); !apierrors.IsNotFound(err) || w.count() != 0 {
		t.Errorf("%d reports, %v", w.count(), err)
	}
	w.found[""] = []string{"cluster-scoped"}
	w.write(t, "", [4]int64{2, 1, 1, 0})
	var cluster openreports.ClusterReport
	if err := w.client.Get(t.Context(), client.ObjectKey{Name: "taffrail"}, &cluster); err != nil || len(cluster.Results) != 1 {
		t.Errorf("%+v, %v", cluster, err)
	}
}

// A report of another tool that has the name of one of Taffrail's stays as it is, and the status names the namespace.
func TestReportsOfOtherToolsStay(t *testing.T) {
	foreign := &openreports.Report{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "taffrail"}, Source: "another"}
	w := newWrittenReports(t, nil, foreign)
	w.found["shop"] = []string{"a"}
	w.write(t, "shop", [4]int64{0, 0, 0, 1})
	if got := w.problem(); !strings.Contains(got, `in "shop"`) || !strings.Contains(got, "another tool") {
		t.Errorf("the problem is %q", got)
	}
	var stored openreports.Report
	if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(foreign), &stored); err != nil || stored.Source != "another" || len(stored.Results) > 0 {
		t.Errorf("%+v, %v", stored, err)
	}
	w.found["shop"] = nil
	w.write(t, "shop", [4]int64{0, 0, 0, 1})
	if got := w.problem(); got != "" {
		t.Errorf("the problem is %q", got)
	}
}

// Nothing is written into a namespace that is about to go, and that is no failure.
func TestNoReportInANamespaceThatGoes(t *testing.T) {
	terminating := apierrors.NewForbidden(schema.GroupResource{Resource: "reports"}, "taffrail", nil)
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for name, refusal := range map[string]error{
		"terminating": terminating, "gone": apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop"),
	} {
		w := newWrittenReports(t, refusal)
		w.found["shop"] = []string{"a"}
		w.write(t, "shop", [4]int64{})
		if w.problem() != "" || w.count() != 0 {
			t.Errorf("%s: %d reports, problem %q", name, w.count(), w.problem())
		}
	}
}

// What others change is written again; events about Taffrail's own writes change nothing.
func TestEventsOfReports(t *testing.T) {
	w := newWrittenReports(t, nil)
	w.found["shop"] = []string{"a"}
	w.write(t, "shop", [4]int64{1, 0, 0, 0})
	key := reportKey{"shop", "taffrail"}
	own := w.stored[key]
	w.stored[key] = storedReport{own.digest, "10"}
	event := func(kind, version string) {
		w.onReportEvent(kind, &storedOpenReport{report.OpenReport{Namespace: "shop", Name: "taffrail"}, version})
	}
	for _, ignored := range [][2]string{{"ADDED", "10"}, {"MODIFIED", "9"}, {audit.Deleted, "9"}} {
		if event(ignored[0], ignored[1]); w.stored[key] != (storedReport{own.digest, "10"}) {
			t.Errorf("%v counts: %+v", ignored, w.stored[key])
		}
	}
	if event("MODIFIED", "11"); w.stored[key].digest == own.digest || w.stored[key].version != "11" {
		t.Errorf("somebody else's change does not count: %+v", w.stored[key])
	}
	if event(audit.Deleted, "12"); w.count() != 0 {
		t.Errorf("%d reports are left", w.count())
	}
	// Both events make the namespace be written.
	if namespace, _ := w.queue.Get(); namespace != "shop" {
		t.Errorf("%q is written", namespace)
	}
}

// Until everything was decided once, nothing is written, and nothing that an earlier audit wrote is deleted.
func TestNothingIsWrittenBeforeTheFirstPass(t *testing.T) {
	w := newWrittenReports(t, nil)
	w.reportWriter.found.Store(nil)
	w.stored[reportKey{"shop", "taffrail"}] = storedReport{"digest", "1"}
	w.changed("shop")
	w.write(t, "shop", [4]int64{})
	if w.count() != 1 || !slices.Equal(w.storedIn("shop"), []reportKey{{"shop", "taffrail"}}) {
		t.Errorf("%+v", w.stored)
	}
}

// While it is not known which reports are stored, none is written.
func TestNothingIsWrittenBlindly(t *testing.T) {
	w := newWrittenReports(t, nil)
	w.found["shop"] = []string{"a"}
	w.readable("Reports cannot be read.", false)
	w.write(t, "shop", [4]int64{})
	w.readable("", true)
	w.write(t, "shop", [4]int64{1, 0, 0, 0})
}

// What a watch reports before a write has returned holds.
func TestEventsDuringAWrite(t *testing.T) {
	w := newWrittenReports(t, nil)
	key := reportKey{"shop", "taffrail"}
	event := func(kind, version string) {
		w.onReportEvent(kind, &storedOpenReport{report.OpenReport{Namespace: "shop", Name: "taffrail"}, version})
	}
	own := storedReport{"own", "10"}
	for name, c := range map[string]struct {
		event, version string
		want           string
	}{
		"its own": {"ADDED", "10", "10"}, "a later change": {"MODIFIED", "12", "12"}, "an earlier change": {"MODIFIED", "9", "10"},
		"deleted later": {audit.Deleted, "12", ""}, "deleted before": {audit.Deleted, "9", "10"},
	} {
		clear(w.stored)
		w.begins(key)
		event(c.event, c.version)
		w.remember(key, own)
		w.ends()
		if got := w.stored[key].version; got != c.want {
			t.Errorf("%s: version %q, want %q", name, got, c.want)
		}
	}
}

// A report that somebody else has put in the place of one of Taffrail's is not deleted.
func TestOnlyTheReportThatIsKnownIsDeleted(t *testing.T) {
	w := newWrittenReports(t, nil)
	w.found["shop"] = []string{"a"}
	w.write(t, "shop", [4]int64{1, 0, 0, 0})
	var report openreports.Report
	key := client.ObjectKey{Namespace: "shop", Name: "taffrail"}
	if err := w.client.Get(t.Context(), key, &report); err != nil {
		t.Fatal(err)
	}
	report.Labels, report.Source = nil, "another"
	if err := w.client.Update(t.Context(), &report); err != nil {
		t.Fatal(err)
	}
	w.found["shop"] = nil
	w.write(t, "shop", [4]int64{1, 0, 0, 1})
	if err := w.client.Get(t.Context(), key, &report); err != nil || report.Source != "another" {
		t.Errorf("%+v, %v", report, err)
	}
}

// recalled records what is recalled.
type recalled struct {
	foundIn
	seen map[string]bool
}

func (r recalled) Recall(seen func(string) (time.Time, bool)) {
	at, known := seen("id")
	r.seen["id"] = known && at.Equal(time.Unix(7, 0))
}

// When results were first seen is recalled once both the reports are read and the first pass has ended, and again when
// the reports are read again.
func TestTimesAreRecalled(t *testing.T) {
	w := newWrittenReports(t, nil)
	found := recalled{w.found, map[string]bool{}}
	w.reportWriter.found.Store(nil)
	w.seen = map[string]int64{"id": 7}
	w.begin(found)
	if !found.seen["id"] || w.seen != nil {
		t.Errorf("recalled %v, %v is left", found.seen, w.seen)
	}
	clear(found.seen)
	w.seen = map[string]int64{"id": 7}
	if w.recall(); !found.seen["id"] {
		t.Error("not recalled again")
	}
}
