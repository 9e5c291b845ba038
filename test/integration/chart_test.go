package integration

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/chart"
	"taffrail.dev/test/harness"
)

// chartRelease has a name of its own, because the cluster already has webhooks called taffrail. What it renders
// is called name-taffrail.
func chartRelease(name string, presets ...string) chart.Release {
	return chart.Release{Name: name, Namespace: harness.SystemNamespace, Presets: presets}
}

func renderChart(t *testing.T, r chart.Release) []*unstructured.Unstructured {
	t.Helper()
	must(t, harness.Watch(cluster.Root))
	helm, err := chart.Build(t.Context(), cluster.Root, 4)
	must(t, err)
	rendered, err := helm.Template(t.Context(), r)
	must(t, err)
	objects, err := chart.Decode(rendered)
	must(t, err)
	return objects
}

// The real API server accepts everything that the chart renders: by server-side apply, as a dry run, with
// strict validation, and without a warning.
func TestAPIServerTakesWhatTheChartRenders(t *testing.T) {
	t.Parallel()
	extras := chartRelease("dry")
	extras.Set = []string{
		"metrics.dashboard.enabled=true", "networkPolicy.enabled=true", "clientCA.configMap=apiserver-client-ca", "clientCA.names={kube-apiserver}",
		"imagePullSecrets[0].name=registry", "commonLabels.team=platform",
	}
	certManager := chartRelease("dry", "eks")
	certManager.Set = []string{"certificates.mode=cert-manager"}
	existing := chartRelease("dry", "eks")
	existing.Values = fmt.Sprintf("certificates: {mode: existing-secret, existingSecret: {name: our-own-tls, caBundle: %q}}", cluster.Authority.PEM)
	nobody := chartRelease("dry")
	nobody.Values = "{excludeNamespaces: [], excludeReleaseNamespace: false}"
	for name, r := range map[string]chart.Release{
		"no namespace left alone": nobody,
		"default":                 chartRelease("dry"), "audit": chartRelease("dry", "audit"), "opt-in": chartRelease("dry", "opt-in"), "eks": chartRelease("dry", "eks"),
		"eks with its own CNI": chartRelease("dry", "eks", "eks-custom-cni"), "extras": extras, "cert-manager": certManager,
		"existing Secret": existing,
	} {
		applied := 0
		for _, object := range renderChart(t, r) {
			if strings.HasSuffix(object.GetAPIVersion(), "cert-manager.io/v1") {
				continue // the control plane lacks these kinds; test/chart checks them against cert-manager's own types
			}
			options := []client.ApplyOption{client.FieldOwner("helm"), client.ForceOwnership, client.DryRunAll}
			if object.GetKind() == "ServiceAccount" {
				options = options[:2] // a Pod is admitted only if its ServiceAccount exists
			}
			answer := cluster.Admin.ServerSideApply(t.Context(), client.ApplyConfigurationFromUnstructured(object), options...)
			if answer.Err != nil || len(answer.Warnings) > 0 {
				t.Errorf("%s: %s %s: %v, warnings %q", name, object.GetKind(), object.GetName(), answer.Err, answer.Warnings)
			}
			applied++
		}
		if applied < 20 {
			t.Errorf("%s: only %d objects", name, applied)
		}
	}
}

// asked is a webhook that admits everything and records its requests.
type asked struct {
	address string
	mutex   sync.Mutex
	names   map[string]bool
	below   int // the number of requests for a subresource
}

func newAsked(t *testing.T) *asked {
	t.Helper()
	certificate, key, err := cluster.Authority.Issue()
	must(t, err)
	pair, err := tls.X509KeyPair(certificate, key)
	must(t, err)
	a := &asked{names: map[string]bool{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.mutex.Lock()
		a.names[r.URL.Path+" "+review.Request.Name] = true
		if review.Request.SubResource != "" {
			a.below++
		}
		a.mutex.Unlock()
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	a.address = server.URL
	return a
}

func (a *asked) about(path, name string) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.names[path+" "+name]
}

// subresources returns how many requests were for a subresource.
func (a *asked) subresources() int {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.below
}

// registerCharted registers the chart's own entries for objects, for one namespace, at another address. They
// have failurePolicy Fail, so that an expression that fails causes a refusal.
func registerCharted(t *testing.T, r chart.Release, namespace, address string) {
	t.Helper()
	for _, object := range renderChart(t, r) {
		var made client.Object
		switch object.GetKind() {
		case "MutatingWebhookConfiguration":
			typed := &admissionregistrationv1.MutatingWebhookConfiguration{}
			must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed))
			w := &typed.Webhooks[0]
			w.ClientConfig, w.NamespaceSelector, w.FailurePolicy = redirected(w.ClientConfig, address), only(namespace), closed()
			made = typed
		case "ValidatingWebhookConfiguration":
			typed := &admissionregistrationv1.ValidatingWebhookConfiguration{}
			must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed))
			typed.Webhooks = slices.DeleteFunc(typed.Webhooks, func(w admissionregistrationv1.ValidatingWebhook) bool {
				return !strings.HasSuffix(w.Name, "validate.taffrail.dev")
			})
			for i := range typed.Webhooks {
				w := &typed.Webhooks[i]
				w.ClientConfig, w.NamespaceSelector, w.FailurePolicy = redirected(w.ClientConfig, address), only(namespace), closed()
			}
			made = typed
		default:
			continue
		}
		must(t, cluster.Admin.Client.Create(t.Context(), made))
	}
	t.Cleanup(func() {
		if err := cluster.Unregister(context.Background(), r.Name+"-taffrail"); err != nil { //nolint:usetesting // it has ended
			t.Error(err)
		}
	})
}

func redirected(c admissionregistrationv1.WebhookClientConfig, address string) admissionregistrationv1.WebhookClientConfig {
	url := address + *c.Service.Path
	return admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: cluster.Authority.PEM}
}

func only(namespace string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
}

func closed() *admissionregistrationv1.FailurePolicyType {
	policy := admissionregistrationv1.Fail
	return &policy
}

// The conditions exclude mirror Pods and Taffrail itself, but nobody who merely resembles them, and they
// evaluate without error for every object, whatever it lacks.
func TestWhomTheChartsConditionsLeaveOut(t *testing.T) {
	t.Parallel()
	// A registration that does not exist, so that none of the tests' webhooks applies.
	namespace := newNamespace(t, "charted", servedBy("nobody"))
	node, err := cluster.NewUser("system:node:charted")
	must(t, err)
	itself, err := cluster.NewUser("system:serviceaccount:" + harness.SystemNamespace + ":charted-taffrail")
	must(t, err)
	namesake, err := cluster.NewUser("system:serviceaccount:" + namespace + ":charted-taffrail")
	must(t, err)
	for i, user := range []*harness.User{node, itself, namesake} {
		must(t, cluster.Admin.Client.Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("charted-%d", i)},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user.Name}},
		}))
	}
	webhook := newAsked(t)
	registerCharted(t, chartRelease("charted", "eks"), namespace, webhook.address)

	pod := func(name string, annotations map[string]any) *unstructured.Unstructured {
		made := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{"name": name, "namespace": namespace, "labels": nil, "annotations": nil},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "image": "registry.example/app:1.0.0"}}},
		}}
		if annotations != nil {
			made.Object["metadata"].(map[string]any)["annotations"] = annotations
			made.Object["spec"].(map[string]any)["nodeName"] = "charted" // every mirror Pod has one
		}
		return made
	}
	object := func(apiVersion, kind, name string, rest map[string]any) *unstructured.Unstructured {
		made := map[string]any{
			"apiVersion": apiVersion, "kind": kind,
			"metadata": map[string]any{"name": name, "namespace": namespace, "labels": nil, "annotations": nil},
		}
		maps.Copy(made, rest)
		return &unstructured.Unstructured{Object: made}
	}
	mirror := map[string]any{corev1.MirrorPodAnnotationKey: "0123456789abcdef"}
	const mutate, validate = "/mutate", "/validate"

	eventually(t, "the API server to call the chart's webhooks, and RBAC to know the users", func(ctx context.Context) error {
		for _, user := range []*harness.User{cluster.Alice, node, itself, namesake} {
			if err := user.Create(ctx, pod("first", nil), client.DryRunAll).Err; err != nil {
				return err
			}
		}
		if !webhook.about(mutate, "first") || !webhook.about(validate, "first") {
			return errors.New("not called")
		}
		return nil
	})
	for _, test := range []struct {
		user   *harness.User
		object *unstructured.Unstructured
		asked  []string
	}{
		{node, pod("mirror", mirror), nil},
		{node, pod("of-a-node", nil), []string{mutate, validate}},
		{node, pod("of-a-node-annotated", map[string]any{"other": "x"}), []string{mutate, validate}},
		{cluster.Alice, pod("spoofed", mirror), []string{mutate, validate}},
		{cluster.Alice, pod("plain", nil), []string{mutate, validate}},
		{itself, pod("its-own", nil), nil},
		{namesake, pod("namesake", nil), []string{mutate, validate}},
		{node, object("v1", "ConfigMap", "of-a-node-configmap", nil), []string{validate}},
		{cluster.Alice, object("v1", "ConfigMap", "configmap", nil), []string{validate}},
		{cluster.Alice, object("v1", "Secret", "secret", nil), []string{validate}},
		{cluster.Alice, object("v1", "Service", "service", map[string]any{"spec": map[string]any{"ports": []any{map[string]any{"port": int64(80)}}}}), []string{validate}},
	} {
		name := test.object.GetName()
		admit(t, name, test.user.Create(t.Context(), test.object, client.DryRunAll))
		for _, path := range []string{mutate, validate} {
			if got, want := webhook.about(path, name), slices.Contains(test.asked, path); got != want {
				t.Errorf("%s by %s: asked at %s: %t, want %t", name, test.user.Name, path, got, want)
			}
		}
	}
}
