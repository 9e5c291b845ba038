package integration

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
)

// The status counts by workload what would be filled in once the injection is enforced, and afterward what is
// left unchanged.
func TestWhatWouldBeFilledIsCounted(t *testing.T) {
	t.Parallel()
	g := injecting("would-fill", "")
	g.Spec.Mode = v1alpha1.ModeAudit
	putGuardrail(t, g)
	namespace := newNamespace(t, "would-fill", "test.taffrail.dev/late=would-fill")
	counted := func(what string, counts func(w *v1alpha1.WouldFillWorkload) bool) {
		t.Helper()
		eventually(t, what, func(ctx context.Context) error {
			read := &v1alpha1.Guardrail{}
			if err := cluster.Admin.Client.Get(ctx, client.ObjectKey{Name: g.Name}, read); err != nil {
				return err
			}
			if found := read.Status.WouldFill; found != nil {
				for i := range found.Workloads {
					if w := &found.Workloads[i]; w.Namespace == namespace && w.Workload == "Deployment web" && counts(w) {
						return nil
					}
				}
			}
			return fmt.Errorf("it has %+v", read.Status.WouldFill)
		})
	}
	admit(t, "a Deployment", cluster.Alice.Create(t.Context(), deploymentOf(namespace, "web")))
	pod := podOfApp(t, namespace, "web")
	counted("the Pod to be counted as one to be filled", func(w *v1alpha1.WouldFillWorkload) bool {
		return w.Pods >= 1 && w.Left == 0 && w.Last == "main: limits.cpu=250m, main: limits.memory=768Mi, main: requests.cpu=100m, main: requests.memory=512Mi"
	})
	full := podOf(namespace, "full", app("main", injected))
	admit(t, "a Pod that lacks nothing", cluster.Alice.Create(t.Context(), full))

	g.Spec.Mode = v1alpha1.ModeEnforce
	enforceLate(t, g, namespace)
	after := replaced(t, "web", pod)
	wantResources(t, "the successor", after.Spec.Containers[0].Resources, corev1.ResourceRequirements{})
	counted("its successor to be counted as left alone", func(w *v1alpha1.WouldFillWorkload) bool { return w.Left >= 1 && w.Pods == 0 })
	read := &v1alpha1.Guardrail{}
	must(t, cluster.Admin.Client.Get(t.Context(), client.ObjectKey{Name: g.Name}, read))
	if n := len(read.Status.WouldFill.Workloads); n != 1 {
		t.Errorf("other workloads are counted: %+v", read.Status.WouldFill)
	}
}
