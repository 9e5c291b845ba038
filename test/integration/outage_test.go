package integration

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// broken has two namespaces that are served by the same server, with each failurePolicy.
type broken struct{ ignore, fail string }

func breakable(t *testing.T, name, address string) broken {
	t.Helper()
	var b broken
	for policy, namespace := range map[admissionregistrationv1.FailurePolicyType]*string{
		admissionregistrationv1.Ignore: &b.ignore, admissionregistrationv1.Fail: &b.fail,
	} {
		registration := unique(name + "-" + strings.ToLower(string(policy)))
		register(t, harness.Registration{Name: registration, Address: address, FailurePolicy: policy})
		*namespace = newNamespace(t, registration, enforced, servedBy(registration))
	}
	return b
}

// failedOpen requires that the audit log marks an admitted write as not decided: a webhook that does not select
// the namespace would admit it too.
func failedOpen(t *testing.T, what string, answer *harness.Answer) {
	t.Helper()
	admit(t, what, answer)
	event, err := cluster.AuditedAnswer(t.Context(), answer)
	must(t, err)
	for key := range event.Annotations {
		if strings.HasPrefix(key, "failed-open.validating.webhook.admission.k8s.io/") {
			return
		}
	}
	t.Errorf("%s: not marked as failed open: %v", what, event.Annotations)
}

// failedClosed requires that the API server itself refused a write, with the given message.
func failedClosed(t *testing.T, what string, answer *harness.Answer, words string) {
	t.Helper()
	if answer.Err == nil || !strings.Contains(answer.Err.Error(), words) {
		t.Errorf("%s: want an error with %q, got %v", what, words, answer.Err)
	}
}

// counted requires that the API server has counted something, because the chart's alerts depend on it.
func counted(t *testing.T, series string) {
	t.Helper()
	asking, err := rest.HTTPClientFor(cluster.Admin.Config)
	must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(cluster.Admin.Config.Host, "/")+"/metrics", http.NoBody)
	must(t, err)
	response, err := asking.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	metrics, err := io.ReadAll(response.Body)
	must(t, err)
	if !strings.Contains(string(metrics), "\n"+series) {
		t.Errorf("%s: no %s", response.Status, series)
	}
}

// While the server is down, its failurePolicy decides. After a restart the server decides again.
func TestServerKilledAndRestarted(t *testing.T) {
	t.Parallel()
	server := newServer(t, harness.ServerOptions{Name: "killed"})
	namespaces := breakable(t, "killed", server.Address())
	for _, namespace := range []string{namespaces.ignore, namespaces.fail} {
		must(t, cluster.AwaitEnforcement(t.Context(), namespace))
	}
	must(t, server.Kill())

	failedOpen(t, "Ignore", cluster.Alice.Create(t.Context(), chapter(t, "01_nginx", namespaces.ignore)))
	answer := cluster.Alice.Create(t.Context(), chapter(t, "22_deployment", namespaces.fail))
	failedClosed(t, "Fail", answer, `Internal error occurred: failed calling webhook "validate.taffrail.dev": failed to call webhook: `+
		`Post "https://`+server.Address()+`/validate?timeout=10s": dial tcp `+server.Address()+`: connect: connection refused`)
	pod := harness.ProbePod(namespaces.fail, "registry.example/app:1.0.0")
	failedClosed(t, "Fail", cluster.Alice.Create(t.Context(), pod), `failed calling webhook "mutate.taffrail.dev"`)
	counted(t, `apiserver_admission_webhook_fail_open_count{name="validate.taffrail.dev",`)
	counted(t, `apiserver_admission_webhook_rejection_count{error_type="calling_webhook_error",name="validate.taffrail.dev",`)
	// Writes that are not sent to Taffrail continue.
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespaces.fail, Name: "unasked"}}
	admit(t, "a ServiceAccount", cluster.Alice.Create(t.Context(), account))

	must(t, server.Start(t.Context()))
	for _, namespace := range []string{namespaces.ignore, namespaces.fail} {
		// Without waiting: a server that is ready decides.
		deny(t, namespace, cluster.Alice.Create(t.Context(), chapter(t, "02_nginx_k8s", namespace)))
	}
	// What was admitted during the outage stays, with a warning.
	deployment := chapter(t, "01_nginx", namespaces.ignore)
	must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(deployment), deployment))
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":3}}`))
	wantTolerated(t, "scaling", admit(t, "scaling", cluster.Alice.Patch(t.Context(), deployment, patch)))
}

// Two replicas behind a Service are replaced one by one under failurePolicy Fail, while users create objects
// without any failure.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	servers := []*harness.Server{
		newServer(t, harness.ServerOptions{Name: "rolling-a", DrainDelay: drainDelay}),
		newServer(t, harness.ServerOptions{Name: "rolling-b", DrainDelay: drainDelay}),
	}
	balancer, err := harness.NewBalancer(context.Background(), servers...) //nolint:usetesting // outlives the clean-up that stops the servers
	must(t, err)
	t.Cleanup(func() {
		if err := balancer.Close(); err != nil {
			t.Error(err)
		}
	})
	registration := unique("rolling")
	register(t, harness.Registration{Name: registration, Address: balancer.Address(), FailurePolicy: admissionregistrationv1.Fail})
	namespace := newNamespace(t, registration, enforced, servedBy(registration))
	must(t, cluster.AwaitEnforcement(t.Context(), namespace))

	writing := writers(t, namespace, 4)
	for range 2 {
		for _, server := range servers {
			writing.more(t, 50)
			must(t, server.Stop())
			writing.more(t, 50)
			must(t, server.Start(t.Context()))
		}
	}
	writing.more(t, 50)
	if created := writing.end(t); created < 450 {
		t.Errorf("only %d objects were created", created)
	}
	// The requests were decided, and not merely admitted.
	deny(t, "in the end", cluster.Alice.Create(t.Context(), chapter(t, "02_nginx_k8s", namespace)))
	answer := cluster.Alice.Create(t.Context(), harness.ProbePod(namespace, "registry.example/app:1.0.0"))
	if notes := annotations(t, admit(t, "in the end", answer)); len(notes) == 0 {
		t.Error("nothing is filled in")
	}
}

// Both replicas may be down at once, and then start again.
func TestFullRestart(t *testing.T) {
	t.Parallel()
	server := newServer(t, harness.ServerOptions{Name: "full", DrainDelay: drainDelay})
	namespaces := breakable(t, "full", server.Address())
	must(t, cluster.AwaitEnforcement(t.Context(), namespaces.fail))
	must(t, server.Stop())
	failedClosed(t, "stopped", cluster.Alice.Create(t.Context(), chapter(t, "23_service", namespaces.fail)), "failed calling webhook")
	must(t, server.Start(t.Context()))
	admit(t, "started", cluster.Alice.Create(t.Context(), chapter(t, "23_service", namespaces.fail)))
	deny(t, "started", cluster.Alice.Create(t.Context(), chapter(t, "02_nginx_k8s", namespaces.fail)))
}

// Objects that are being deleted can be removed during an outage, although their finalizers are removed by an
// UPDATE. Other changes to them are refused until Taffrail is available.
func TestDeletionEndsWhileNobodyDecides(t *testing.T) {
	t.Parallel()
	server := newServer(t, harness.ServerOptions{Name: "deletion"})
	namespace := breakable(t, "deletion", server.Address()).fail
	must(t, cluster.AwaitEnforcement(t.Context(), namespace))
	var objects []*unstructured.Unstructured
	for _, manifest := range []string{
		`{apiVersion: v1, kind: Pod, metadata: {name: pod, annotations: {helm.sh/hook: test}}, spec: {restartPolicy: Never, containers: [{name: main, image: "app:1.0.0"}]}}`,
		`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: claim}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`,
		`{apiVersion: v1, kind: ConfigMap, metadata: {name: map}, data: {key: value}}`,
		`{apiVersion: v1, kind: Service, metadata: {name: service}, spec: {ports: [{port: 80}]}}`,
	} {
		o := object(t, namespace, manifest)
		o.SetFinalizers([]string{"test.taffrail.dev/kept"})
		must(t, cluster.Admin.Client.Create(t.Context(), o))
		objects = append(objects, o)
	}
	must(t, server.Kill())
	for _, o := range objects {
		finalizers := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["test.taffrail.dev/other"]}}`))
		failedClosed(t, o.GetKind()+", not being deleted", cluster.Alice.Patch(t.Context(), o.DeepCopy(), finalizers), "failed calling webhook")
		admit(t, o.GetKind()+", deleting", cluster.Alice.Delete(t.Context(), o, client.GracePeriodSeconds(0)))
		for _, change := range []string{
			`{"metadata":{"labels":{"a":"b"},"finalizers":null}}`, `{"metadata":{"annotations":{"a":"b"},"finalizers":null}}`,
		} {
			patch := client.RawPatch(types.MergePatchType, []byte(change))
			failedClosed(t, o.GetKind()+", "+change, cluster.Alice.Patch(t.Context(), o.DeepCopy(), patch), "failed calling webhook")
		}
		gone := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		admit(t, o.GetKind()+", the finalizers go", cluster.Alice.Patch(t.Context(), o.DeepCopy(), gone))
		if exists, err := cluster.Exists(t.Context(), o); err != nil || exists {
			t.Errorf("%s is still there: %v", o.GetKind(), err)
		}
	}
	must(t, server.Start(t.Context()))
}
