package integration

import (
	"context"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// An entry that an upgrade adds works from the start: with failurePolicy Fail and without a caBundle it would
// refuse everything until the caBundle is written. Helm then adopts the existing entry and keeps the caBundle.
func TestNewEntriesComeWithTheirCABundle(t *testing.T) {
	t.Parallel()
	name := unique("entries")
	r := chartRelease(name, "eks")
	r.Set = []string{"webhooks.secrets.failurePolicy=Fail"}
	var coming *unstructured.Unstructured
	for _, o := range renderChart(t, r) {
		if o.GetKind() == "ValidatingWebhookConfiguration" {
			coming = o
		}
	}
	// These must not apply to other tests.
	never := &metav1.LabelSelector{MatchLabels: map[string]string{"test.taffrail.dev/called": "never"}}
	typed := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(coming.Object, typed))
	for i := range typed.Webhooks {
		typed.Webhooks[i].ObjectSelector = never
	}
	typed.TypeMeta = typeMeta("ValidatingWebhookConfiguration")
	text, err := yaml.Marshal(typed)
	must(t, err)
	prepare := func() string {
		said, code := command(t, cluster.Admin, "crds", "apply", "--webhook-entries="+string(text))
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, said)
		}
		return said
	}
	if said := prepare(); strings.Contains(said, "added") {
		t.Errorf("before an installation:\n%s", said)
	}

	// The previous version had one entry for all kinds, whose caBundle Taffrail writes, and an unrelated one.
	before := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: typed.Name, Labels: typed.Labels}}
	for i := range typed.Webhooks {
		if w := typed.Webhooks[i]; w.Name == "validate.taffrail.dev" || w.Name == "relax.taffrail.dev" {
			w.ClientConfig.CABundle = cluster.Authority.PEM
			before.Webhooks = append(before.Webhooks, w)
		}
	}
	helm := &unstructured.Unstructured{}
	without := before.DeepCopy()
	without.TypeMeta = typed.TypeMeta
	for i := range without.Webhooks {
		without.Webhooks[i].ClientConfig.CABundle = nil
	}
	helm.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(without)
	must(t, err)
	apply := func(o *unstructured.Unstructured) {
		t.Helper()
		unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
		answer := cluster.Admin.ServerSideApply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("helm"))
		admit(t, "as helm does it", answer)
	}
	apply(helm)
	t.Cleanup(func() { _ = cluster.Admin.Client.Delete(context.Background(), before) }) //nolint:usetesting // it has ended
	stored := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	read := func() {
		t.Helper()
		must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKey{Name: typed.Name}, stored))
	}
	if said := prepare(); strings.Contains(said, "added") {
		t.Errorf("before there is a caBundle:\n%s", said)
	}
	read()
	for i := range stored.Webhooks {
		stored.Webhooks[i].ClientConfig.CABundle = cluster.Authority.PEM
	}
	must(t, cluster.Admin.Client.Update(t.Context(), stored))

	if said := prepare(); strings.Count(said, "added to ValidatingWebhookConfiguration "+typed.Name) != len(typed.Webhooks)-2 {
		t.Errorf("%d entries, 2 of which are there:\n%s", len(typed.Webhooks), said)
	}
	trusted := func(when string) {
		t.Helper()
		read()
		if len(stored.Webhooks) != len(typed.Webhooks) {
			t.Errorf("%s: %d entries, want %d", when, len(stored.Webhooks), len(typed.Webhooks))
		}
		for i := range stored.Webhooks {
			if w := &stored.Webhooks[i]; string(w.ClientConfig.CABundle) != string(cluster.Authority.PEM) {
				t.Errorf("%s: %s has the caBundle %q", when, w.Name, w.ClientConfig.CABundle)
			}
		}
	}
	trusted("before the upgrade")
	after := &unstructured.Unstructured{}
	after.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	must(t, err)
	apply(after)
	trusted("after the upgrade")
	if said := prepare(); strings.Contains(said, "added") {
		t.Errorf("once more:\n%s", said)
	}
	if said, code := command(t, cluster.Admin, "crds", "apply", "--webhook-entries=webhooks: [{nam: x}]"); code != 2 || !strings.Contains(said, "--webhook-entries") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}
