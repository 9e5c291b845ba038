package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// unserved assigns a namespace to a registration that does not exist, as if the webhooks were off.
var unserved = servedBy("nobody")

// The tests of the audit share auditors, and read counts of the whole cluster. Therefore they do not run in parallel.
func TestAudit(t *testing.T) {
	namespace := newNamespace(t, "audit", enforced, unserved)
	bad := nginx(t, namespace, "bad")
	admit(t, "a violating Deployment", cluster.Alice.Create(t.Context(), bad))
	first := newAuditor(t, "first")

	t.Run("without OpenReports", func(t *testing.T) {
		eventually(t, "the status of the Guardrail", func(ctx context.Context) error {
			status, err := auditOf(ctx, "chapter")
			switch {
			case err != nil:
				return err
			case !status.Current || status.CompletedAt == nil || status.Violating == 0 || status.Objects < status.Violating:
				return fmt.Errorf("it is %+v", status)
			case !strings.Contains(status.Message, "OpenReports is not installed"):
				return fmt.Errorf("the message is %q", status.Message)
			case !slices.ContainsFunc(status.Findings, func(f v1alpha1.AuditFindings) bool {
				return f.Policy == "image-tag" && f.Mode == v1alpha1.ModeEnforce && f.Findings > 0 && f.Objects > 0
			}):
				return fmt.Errorf("the findings are %+v", status.Findings)
			case !slices.ContainsFunc(status.Unread, func(u v1alpha1.AuditUnread) bool {
				return u.Kind == "Secret" && strings.Contains(u.Reason, "forbidden")
			}):
				return fmt.Errorf("unread is %+v", status.Unread)
			}
			return nil
		})
	})
	must(t, cluster.InstallOpenReports())

	t.Run("reports follow objects", func(t *testing.T) {
		awaitResults(t, namespace, "the violating Deployment", map[string]bool{"bad": true})
		began := time.Now()
		admit(t, "another one", cluster.Alice.Create(t.Context(), nginx(t, namespace, "worse")))
		awaitResults(t, namespace, "the new Deployment", map[string]bool{"bad": true, "worse": true})
		t.Logf("a violating object was in its Report after %s", time.Since(began))
		began = time.Now()
		for _, name := range []string{"bad", "worse"} {
			admit(t, "deleting", cluster.Alice.Delete(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}))
		}
		awaitResults(t, namespace, "no Report", nil)
		t.Logf("two objects were gone from their Report after %s", time.Since(began))
	})

	t.Run("a fix takes its findings away", func(t *testing.T) {
		in := newNamespace(t, "audit-fix", enforced, unserved)
		pod := podOf(in, "fixed", corev1.Container{Name: "main", Image: "nginx"})
		admit(t, "a Pod", cluster.Alice.Create(t.Context(), pod))
		eventually(t, "the finding", func(ctx context.Context) error { return wantPolicy(ctx, in, "image-tag", true) })
		began := time.Now()
		admit(t, "fixing it", cluster.Alice.Patch(t.Context(), pod, changed(pod, func() { pod.Spec.Containers[0].Image = "nginx:1.27.3" })))
		eventually(t, "the finding to be gone", func(ctx context.Context) error { return wantPolicy(ctx, in, "image-tag", false) })
		t.Logf("a fixed finding was gone after %s", time.Since(began))
		wantEqualToScan(t, in)
	})

	t.Run("reports that others change", func(t *testing.T) {
		in := newNamespace(t, "audit-others", enforced, unserved)
		admit(t, "a Deployment", cluster.Alice.Create(t.Context(), nginx(t, in, "one")))
		awaitResults(t, in, "a Report", map[string]bool{"one": true})
		foreign := &openreports.Report{ObjectMeta: metav1.ObjectMeta{Namespace: in, Name: "taffrail-0", Labels: map[string]string{"app.kubernetes.io/managed-by": "another"}}, Source: "another"}
		must(t, cluster.Admin.Client.Create(t.Context(), foreign))
		report := &openreports.Report{}
		must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKey{Namespace: in, Name: "taffrail"}, report))
		was := report.Results
		report.Results = report.Results[:1]
		must(t, cluster.Admin.Client.Update(t.Context(), report))
		eventually(t, "the results to come back", func(ctx context.Context) error { return wantResults(ctx, in, was) })
		must(t, cluster.Admin.Client.Delete(t.Context(), report))
		eventually(t, "the Report to come back", func(ctx context.Context) error { return wantResults(ctx, in, was) })
		must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKeyFromObject(foreign), foreign))
		if foreign.Source != "another" || len(foreign.Results) > 0 {
			t.Errorf("the report of another tool is %+v", foreign)
		}
	})

	t.Run("a change decides only what it touches", func(t *testing.T) { testTouched(t, first) })

	t.Run("another auditor takes over", func(t *testing.T) { testTakeover(t, first) })

	must(t, first.Kill())
	t.Run("an auditor dies while it reads and while it writes", testKills)
}

// A Guardrail that is edited makes the objects be decided again that it applies to, and no others.
func testTouched(t *testing.T, auditor *harness.Auditor) {
	inside, outside := newNamespace(t, "audit-touched", "test.taffrail.dev/audit=touched", unserved), newNamespace(t, "audit-untouched", audited, unserved)
	for i := range 3 {
		admit(t, "inside", cluster.Alice.Create(t.Context(), plainConfigMap(inside, fmt.Sprint("c", i))))
		admit(t, "outside", cluster.Alice.Create(t.Context(), plainConfigMap(outside, fmt.Sprint("c", i))))
	}
	g := &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: unique("audit-touched")}, Spec: v1alpha1.GuardrailSpec{
		Mode: v1alpha1.ModeAudit, NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"test.taffrail.dev/audit": "touched"}},
		Policies: []v1alpha1.PolicyBinding{{Name: "configmap-credentials"}},
	}}
	putGuardrail(t, g)
	// The namespace has one more, with the CA of the cluster.
	objects := int64(4)
	awaitAudit(t, g.Name, func(status *v1alpha1.Audit) bool { return status.Current && status.Objects == objects })
	before := awaitDecisions(t, auditor, "again", 0)
	g.Spec.Mode = v1alpha1.ModeWarn
	_, err := cluster.PutGuardrail(t.Context(), g)
	must(t, err)
	after := awaitDecisions(t, auditor, "again", before+1)
	if after-before != float64(objects) {
		t.Errorf("%v objects were decided again, want %d", after-before, objects)
	}
	wantEqualToScan(t, inside)
}

// What was found outlives the auditor: the next one writes nothing that is written already.
func testTakeover(t *testing.T, first *harness.Auditor) {
	in, gone := newNamespace(t, "audit-takeover", enforced, unserved), newNamespace(t, "audit-gone", enforced, unserved)
	for i := range 20 {
		admit(t, "a Deployment", cluster.Alice.Create(t.Context(), nginx(t, in, fmt.Sprint("d", i))))
	}
	admit(t, "a Deployment", cluster.Alice.Create(t.Context(), nginx(t, gone, "d")))
	awaitResults(t, gone, "a Report", map[string]bool{"d": true})
	eventually(t, "the reports", func(ctx context.Context) error { return equalToScan(ctx, in) })
	stamps, written := timestamps(t, in), versions(t, in)
	must(t, first.Kill())
	// Meanwhile nobody audits.
	must(t, cluster.Admin.Client.DeleteAllOf(t.Context(), &openreports.Report{}, client.InNamespace(gone)))
	must(t, cluster.Admin.Client.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: gone}}))
	second := newAuditor(t, "second")
	eventually(t, "the other auditor to take over", func(ctx context.Context) error {
		complete, served, err := second.Metric(ctx, "taffrail_audit_complete")
		if err != nil || !served || complete != 1 {
			return fmt.Errorf("complete is %v, %w", complete, err)
		}
		return nil
	})
	eventually(t, "the reports", func(ctx context.Context) error { return equalToScan(ctx, in) })
	// A report that it does write proves that it has begun to write.
	later := newNamespace(t, "audit-later", enforced, unserved)
	admit(t, "a violating Deployment", cluster.Alice.Create(t.Context(), nginx(t, later, "bad")))
	awaitResults(t, later, "the new Deployment", map[string]bool{"bad": true})
	if got := versions(t, in); len(got) == 0 || diff(written, got) != "" {
		t.Errorf("the second auditor has written what was written already:\n%s", diff(written, got))
	}
	if got := timestamps(t, in); len(got) == 0 || diff(stamps, got) != "" {
		t.Errorf("the results were first seen at other times:\n%s", diff(stamps, got))
	}
	eventually(t, "the namespace to be gone", func(ctx context.Context) error {
		exists, err := cluster.Exists(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: gone}})
		if err == nil && exists {
			err = errors.New("it is there")
		}
		return err
	})
	failed, _, err := second.Metric(t.Context(), `taffrail_audit_report_writes_total{operation="failed"}`)
	if err != nil || failed != 0 {
		t.Errorf("%v writes failed, %v", failed, err)
	}
}

// Whenever an auditor dies, the next one ends with the reports that a fresh scan would make.
func testKills(t *testing.T) {
	writing := newAuditor(t, "writing")
	var namespaces []string
	for i := range 10 {
		in := newNamespace(t, fmt.Sprint("audit-kill", i), enforced, unserved)
		namespaces = append(namespaces, in)
		for k := range 5 {
			admit(t, "a Deployment", cluster.Alice.Create(t.Context(), nginx(t, in, fmt.Sprint("d", k))))
		}
	}
	// In the middle of writing.
	eventually(t, "a report of one of the namespaces", func(ctx context.Context) error {
		for _, in := range namespaces {
			if results, err := resultsIn(ctx, in); err == nil && len(results) > 0 {
				return nil
			}
		}
		return errors.New("there is none")
	})
	must(t, writing.Kill())
	for _, in := range namespaces[:5] {
		admit(t, "deleting", cluster.Alice.Delete(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: in, Name: "d0"}}))
	}
	// In the middle of the first pass.
	third := newAuditor(t, "third", "--objects-per-second=10")
	eventually(t, "the first decisions", func(ctx context.Context) error {
		listed, _, err := third.Metric(ctx, `taffrail_audit_decisions_total{cause="listed"}`)
		if err == nil && listed < 5 {
			err = fmt.Errorf("%v so far", listed)
		}
		return err
	})
	if complete, _, err := third.Metric(t.Context(), "taffrail_audit_complete"); err != nil || complete != 0 {
		t.Errorf("complete is %v, %v: the first pass is over already", complete, err)
	}
	must(t, third.Kill())
	newAuditor(t, "fourth")
	for _, in := range namespaces {
		wantEqualToScan(t, in)
	}
}

func newAuditor(t *testing.T, name string, args ...string) *harness.Auditor {
	t.Helper()
	auditor, err := cluster.NewAuditor(t.Context(), harness.AuditorOptions{Name: unique(name), Args: args})
	must(t, err)
	t.Cleanup(func() { _ = auditor.Kill() }) // some tests have killed it already
	return auditor
}

// nginx returns a Deployment that violates policies. It has no Pods, which would need a node.
func nginx(t *testing.T, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	object, err := harness.ChapterManifest(cluster.Root, "01_nginx")
	must(t, err)
	object.SetNamespace(namespace)
	object.SetName(name)
	must(t, unstructured.SetNestedField(object.Object, int64(0), "spec", "replicas"))
	return object
}

func plainConfigMap(namespace, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string]string{"a": "b"}}
}

// auditOf returns the audit in the status of a Guardrail.
func auditOf(ctx context.Context, guardrail string) (*v1alpha1.Audit, error) {
	var g v1alpha1.Guardrail
	if err := cluster.Admin.Client.Get(ctx, client.ObjectKey{Name: guardrail}, &g); err != nil {
		return nil, err
	}
	if g.Status.Audit == nil {
		return nil, errors.New("there is no status.audit")
	}
	return g.Status.Audit, nil
}

func awaitAudit(t *testing.T, guardrail string, is func(*v1alpha1.Audit) bool) {
	t.Helper()
	eventually(t, "status.audit of "+guardrail, func(ctx context.Context) error {
		status, err := auditOf(ctx, guardrail)
		if err == nil && !is(status) {
			err = fmt.Errorf("it is %+v", status)
		}
		return err
	})
}

// awaitDecisions waits until the auditor has nothing to decide, and has made so many decisions for a cause.
func awaitDecisions(t *testing.T, auditor *harness.Auditor, cause string, atLeast float64) (n float64) {
	t.Helper()
	eventually(t, "the audit to be current", func(ctx context.Context) error {
		lag, _, err := auditor.Metric(ctx, "taffrail_audit_lag_seconds")
		if err != nil {
			return err
		}
		if n, _, err = auditor.Metric(ctx, fmt.Sprintf("taffrail_audit_decisions_total{cause=%q}", cause)); err == nil && (lag != 0 || n < atLeast) {
			err = fmt.Errorf("%v decisions, %vs behind", n, lag)
		}
		return err
	})
	return n
}

// reportsIn returns Taffrail's reports in a namespace.
func reportsIn(ctx context.Context, namespace string) ([]openreports.Report, error) {
	var list openreports.ReportList
	err := cluster.Admin.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{"app.kubernetes.io/managed-by": "taffrail"})
	return list.Items, err
}

// resultsIn returns the results of Taffrail's reports in a namespace.
func resultsIn(ctx context.Context, namespace string) ([]openreports.ReportResult, error) {
	reports, err := reportsIn(ctx, namespace)
	var all []openreports.ReportResult
	for i := range reports {
		all = append(all, reports[i].Results...)
	}
	return all, err
}

// awaitResults waits until the reports of a namespace are about objects of these names.
func awaitResults(t *testing.T, namespace, what string, names map[string]bool) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) error {
		results, err := resultsIn(ctx, namespace)
		if err != nil {
			return err
		}
		got := map[string]bool{}
		for i := range results {
			if subject := results[i].Subjects[0]; subject.Kind == "Deployment" {
				got[subject.Name] = true
			}
		}
		if len(got) != len(names) || diff(names, got) != "" && len(names) > 0 {
			return fmt.Errorf("they are about %v", got)
		}
		return nil
	})
}

func wantResults(ctx context.Context, namespace string, want []openreports.ReportResult) error {
	got, err := resultsIn(ctx, namespace)
	if err == nil && diff(want, got) != "" {
		err = fmt.Errorf("-want +got:\n%s", diff(want, got))
	}
	return err
}

func wantPolicy(ctx context.Context, namespace, policy string, wanted bool) error {
	results, err := resultsIn(ctx, namespace)
	if err != nil {
		return err
	}
	if found := slices.ContainsFunc(results, func(r openreports.ReportResult) bool { return r.Policy == policy }); found != wanted {
		return fmt.Errorf("%s is found: %t", policy, found)
	}
	return nil
}

// timestamps returns when each result was first seen, by its id.
func versions(t *testing.T, namespace string) map[string]string {
	t.Helper()
	reports, err := reportsIn(t.Context(), namespace)
	must(t, err)
	all := map[string]string{}
	for i := range reports {
		all[reports[i].Name] = reports[i].ResourceVersion
	}
	return all
}

func timestamps(t *testing.T, namespace string) map[string]int64 {
	t.Helper()
	results, err := resultsIn(t.Context(), namespace)
	must(t, err)
	all := map[string]int64{}
	for i := range results {
		all[results[i].Properties["resultID"]] = results[i].Timestamp.Seconds
	}
	return all
}
