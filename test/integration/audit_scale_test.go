package integration

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// auditScale is a number of objects. It is 0 in ordinary runs: writing 100,000 objects takes minutes.
var auditScale = flag.Int("audit.objects", 0, "objects of TestAuditScale, in namespaces of 50")

// How many objects a second of CPU the audit decides, and what it keeps of them. The objects are written directly, a
// tenth of them Deployments with findings, and the others ConfigMaps and Services without any.
func TestAuditScale(t *testing.T) {
	if *auditScale == 0 {
		t.Skip("pass -audit.objects=10000")
	}
	must(t, cluster.InstallOpenReports())
	began := time.Now()
	var writers errgroup.Group
	writers.SetLimit(40)
	const per = 50
	for i := range *auditScale / per {
		in := newNamespace(t, fmt.Sprint("scale-", i), audited, unserved)
		for k := range per {
			writers.Go(func() error { return cluster.Admin.Client.Create(t.Context(), scaleObject(in, k)) })
		}
	}
	must(t, writers.Wait())
	t.Logf("%d objects written in %s", *auditScale, time.Since(began).Round(time.Second))
	auditor := newAuditor(t, "scale", "--objects-per-second=100000", "--reports-per-second=1000")
	began = time.Now()
	must(t, harness.Await(t.Context(), 20*time.Minute, 200*time.Millisecond, "the first pass", func(ctx context.Context) error {
		complete, _, err := auditor.Metric(ctx, "taffrail_audit_complete")
		if err == nil && complete != 1 {
			err = fmt.Errorf("it is not complete")
		}
		return err
	}))
	logUsage(t, auditor, "the first pass, after "+time.Since(began).Round(time.Second).String())
	eventually(t, "the reports", func(ctx context.Context) error {
		reports, _, err := auditor.Metric(ctx, "taffrail_audit_reports")
		if err == nil && reports < float64(*auditScale/per) {
			err = fmt.Errorf("%v reports", reports)
		}
		return err
	})
	logUsage(t, auditor, "the reports, after "+time.Since(began).Round(time.Second).String())
}

// logUsage logs what an auditor has used.
func logUsage(t *testing.T, auditor *harness.Auditor, what string) {
	t.Helper()
	values := []string{}
	for _, series := range []string{
		"process_cpu_seconds_total", "process_resident_memory_bytes", "go_memstats_heap_inuse_bytes", `taffrail_audit_decisions_total{cause="listed"}`,
		`taffrail_audit_report_writes_total{operation="create"}`, `taffrail_audit_report_writes_total{operation="update"}`,
	} {
		value, _, err := auditor.Metric(t.Context(), series)
		must(t, err)
		values = append(values, fmt.Sprintf("%s %.0f", series, value))
	}
	peak, err := auditor.PeakRSS()
	must(t, err)
	t.Logf("%s: %s, peak RSS %d MiB", what, strings.Join(values, ", "), peak>>20)
}

func scaleObject(namespace string, k int) client.Object {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint("o", k), Labels: map[string]string{"app": "a"}}
	switch {
	case k%10 == 0:
		none := int32(0)
		return &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Replicas: &none, Selector: &metav1.LabelSelector{MatchLabels: meta.Labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "main", Image: "nginx", Env: []corev1.EnvVar{{Name: "A", Value: "b"}}}},
			}},
		}}
	case k%10 < 6:
		return &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"a": strings.Repeat("x", 500)}}
	}
	return &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Selector: meta.Labels}}
}
