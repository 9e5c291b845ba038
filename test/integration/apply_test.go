package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Namespace and its objects arrive in one apply, faster than any watch event: the labels of the new Namespace
// decide, and its LimitRange counts.
func TestNamespaceInTheSameApply(t *testing.T) {
	t.Parallel()
	// Such an apply is typically made by someone who may create namespaces.
	create := cluster.Admin.Create
	for i := range 20 {
		name := unique(fmt.Sprintf("one-apply-%d", i))
		meta := metav1.ObjectMeta{Name: name, Labels: labelMap([]string{enforced, restricted})}
		limits := &corev1.LimitRange{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "limits"},
			Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
				Type: corev1.LimitTypeContainer, Default: quantities("400m", "256Mi"), DefaultRequest: quantities("200m", "128Mi"),
			}}},
		}
		service, good, bad := chapter(t, "23_service", name), chapter(t, "22_deployment", name), chapter(t, "01_nginx", name)
		cronJob := batch(t, name)

		admit(t, name, create(t.Context(), &corev1.Namespace{ObjectMeta: meta}))
		words := deny(t, name+": a Service of type LoadBalancer", create(t.Context(), service))
		if !strings.Contains(words, "required by Guardrail restricted") {
			t.Errorf("denied for:\n%s", words)
		}
		admit(t, name+": a LimitRange", create(t.Context(), limits))
		// The LimitRange fills in its missing resources, so there is nothing left to inject or to report.
		answer := admit(t, name+": a CronJob", create(t.Context(), cronJob))
		if notes := annotations(t, answer); len(notes) > 0 {
			t.Errorf("the LimitRange was not seen: %v", notes)
		}
		admit(t, name+": a Deployment", create(t.Context(), good))
		deny(t, name+": a Deployment without tag", create(t.Context(), bad, client.DryRunAll))
	}
}

// Labels are read when a request is decided: a namespace is covered as soon as it opts in, no matter how late
// the watch event is.
func TestNamespaceOptsIn(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "opt-in")
	service := func() client.Object { return chapter(t, "23_service", namespace) }
	admit(t, "a Service before", cluster.Alice.Create(t.Context(), service(), client.DryRunAll))
	opted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	must(t, cluster.Admin.Client.Patch(t.Context(), opted, changed(opted, func() { opted.Labels = labelMap([]string{restricted}) })))
	eventually(t, "the Service to be denied", func(ctx context.Context) error {
		if _, denied := cluster.Alice.Create(ctx, service(), client.DryRunAll).Denied(); !denied {
			return errors.New("it is admitted")
		}
		return nil
	})
}
