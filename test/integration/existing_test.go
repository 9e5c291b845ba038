package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
	"taffrail.dev/webhook/api/v1alpha1"
)

// lateGuardrail returns the built-in default for namespaces labeled test.taffrail.dev/late=name.
func lateGuardrail(t *testing.T, name string) *v1alpha1.Guardrail {
	t.Helper()
	defaults, err := harness.DefaultGuardrails()
	must(t, err)
	g := defaults[0].DeepCopy()
	g.Name = unique("late-" + name)
	g.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"test.taffrail.dev/late": name}}
	return g
}

// enforceLate creates the Guardrail and waits until it is in force.
func enforceLate(t *testing.T, g *v1alpha1.Guardrail, namespace string) {
	t.Helper()
	putGuardrail(t, g)
	must(t, cluster.AwaitEnforcement(t.Context(), namespace))
}

// changed returns a merge patch of what change does to an object.
func changed(object client.Object, change func()) client.Patch {
	before, _ := object.DeepCopyObject().(client.Object)
	change()
	return client.MergeFrom(before)
}

func wantTolerated(t *testing.T, what string, answer *harness.Answer) {
	t.Helper()
	for _, warning := range answer.Warnings {
		if strings.HasPrefix(warning, "image-tag, ") && strings.Contains(warning, ": tolerated: ") {
			return
		}
	}
	t.Errorf("%s: no warning says that the image is tolerated: %q", what, answer.Warnings)
}

// A Deployment that predates the Guardrail keeps running: its Pods are replaced when they are deleted, and it
// can be scaled. Changes to it are decided.
func TestWhatWasThereBefore(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "before", "test.taffrail.dev/late=before")
	admit(t, "nginx", cluster.Alice.Create(t.Context(), chapter(t, "01_nginx", namespace)))
	before := podsOf(t, namespace, "app", "nginx", 2)
	g := lateGuardrail(t, "before")
	enforceLate(t, g, namespace)

	for i := range before {
		admit(t, "deleting a Pod", cluster.Alice.Delete(t.Context(), &before[i], client.GracePeriodSeconds(0)))
	}
	eventually(t, "two new Pods", func(ctx context.Context) error {
		var list corev1.PodList
		if err := cluster.Admin.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return err
		}
		fresh := 0
		for _, pod := range list.Items {
			if pod.UID != before[0].UID && pod.UID != before[1].UID {
				fresh++
			}
		}
		if fresh != 2 {
			return fmt.Errorf("there are %d", fresh)
		}
		return nil
	})

	deployment := &appsv1.Deployment{}
	must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "nginx"}, deployment))
	three := int32(3)
	scaling := cluster.Alice.Patch(t.Context(), deployment, changed(deployment, func() { deployment.Spec.Replicas = &three }))
	wantTolerated(t, "scaling", admit(t, "scaling", scaling))
	podsOf(t, namespace, "app", "nginx", 3)

	// The same image without a tag in an additional container is a new violation, while the old one remains a
	// warning.
	adding := cluster.Alice.Patch(t.Context(), deployment, changed(deployment, func() {
		added := *deployment.Spec.Template.Spec.Containers[0].DeepCopy()
		added.Name, added.Ports = "second", nil
		deployment.Spec.Template.Spec.Containers = append(deployment.Spec.Template.Spec.Containers, added)
	}))
	words := deny(t, "a second container", adding)
	if !strings.Contains(words, `image-tag, container "second"`) || strings.Contains(words, `container "nginx"`) {
		t.Errorf("denied for:\n%s", words)
	}
	wantTolerated(t, "a second container", adding)

	// Once deleted, it must comply to be created again.
	admit(t, "deleting", cluster.Alice.Delete(t.Context(), deployment))
	deny(t, "creating again", cluster.Alice.Create(t.Context(), chapter(t, "01_nginx", namespace), client.DryRunAll))
}

// A Pod can always be deleted.
func TestDeletingIsNeverAsked(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "deleting", "test.taffrail.dev/late=deleting")
	pod := podOf(namespace, "finalized", corev1.Container{Name: "main", Image: "nginx"})
	pod.Finalizers = []string{"test.taffrail.dev/wait"}
	admit(t, "a Pod", cluster.Alice.Create(t.Context(), pod))
	enforceLate(t, lateGuardrail(t, "deleting"), namespace)

	answer := admit(t, "deleting", cluster.Alice.Delete(t.Context(), pod, client.GracePeriodSeconds(0)))
	if notes := annotations(t, answer); len(notes) > 0 {
		t.Errorf("Taffrail was asked: %v", notes)
	}
	must(t, cluster.Alice.Client.Get(t.Context(), client.ObjectKeyFromObject(pod), pod))
	admit(t, "taking the finalizer away", cluster.Alice.Patch(t.Context(), pod, changed(pod, func() { pod.Finalizers = nil })))
	eventually(t, "the Pod to be gone", func(ctx context.Context) error {
		if exists, err := cluster.Exists(ctx, pod); err != nil || exists {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
}
